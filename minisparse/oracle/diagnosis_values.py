"""Guesses where values are wrong: which other problem the result would have been right for."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.diagnosis_numbers import NUMBERS
from minisparse.oracle.diagnosis_ops import LAST, OPS
from minisparse.oracle.diagnosis_readings import TILES, readings
from minisparse.oracle.evidence import Evidence, Hypothesis
from minisparse.oracle.problem import Problem, cell_numbers
from minisparse.oracle.profile import IEEE
from minisparse.oracle.values import is_float


def _stale(case: Evidence) -> str:
    problem = case.problem
    if problem.earlier is None or not case.right_on(replace(problem, earlier=None)):
        return ""
    early = replace(problem, a=problem.a._replace(data=problem.earlier), earlier=None)
    words = "when the same array changes" if problem.in_place else "when the same arrays come again"
    if case.as_if(early):
        return f"reads stale data {words}: the result is that of the call before"
    return f"keeps something of the call before {words}"


def _layout(case: Evidence) -> str:
    problem = case.problem
    if problem.layout == "C" or not case.right_on(replace(problem, layout="C")):
        return ""
    turned = problem.b.ravel(order="F").reshape(problem.b.shape)
    if problem.layout == "F":
        if case.as_if(replace(problem, b=turned, layout="C")):
            return "ignores strides: reads Fortran-ordered b as if it were C-ordered"
        return "ignores the strides of Fortran-ordered arrays"
    if problem.layout == "A strided":
        return "ignores the strides of the matrix's arrays: reads them as if contiguous"
    return f"ignores strides: fails on an array that is {problem.layout}"


def _index_overflow(case: Evidence) -> str:
    problem = case.problem
    if problem.index_dtypes == ("int32", "int32"):
        return ""
    if case.right_on(replace(problem, index_dtypes=("int64", "int64"))):
        return "integer overflow in the dtype of indices: right with int64"
    return ""


def _duplicates(case: Evidence) -> str:
    problem, cells = case.problem, cell_numbers(case.problem.a)
    first, number = np.unique(cells, return_index=True, return_inverse=True)[1:]
    if len(first) == len(cells):
        return ""
    together = problem.with_entries(np.argsort(number.reshape(-1), kind="stable"))
    if (np.diff(number.reshape(-1)) < 0).any() and case.right_on(together):
        return "duplicates are summed only where they stand side by side"
    back = len(cells) - 1 - np.unique(cells[::-1], return_index=True)[1]
    last, first = np.sort(back), np.sort(first)
    if case.as_if(problem.with_entries(last)) or case.as_if(problem.with_entries(first)):
        return _winner(case, last, first)
    if case.right_on(problem.with_entries(first)):
        return "duplicates are not summed as they should be"
    return ""


def _winner(case: Evidence, last: Array, first: Array) -> str:
    """Give every entry another value, and see which of a cell is left."""
    data = case.problem.a.data
    numbers = np.arange(1, len(data) + 1).astype(data.dtype)
    other = case.on(replace(case.problem, a=case.problem.a._replace(data=numbers)))
    if not other.found.failed:
        return "duplicates: an entry that comes again with the same value counts once"
    for words, keep in (("last", last), ("first", first)):
        if other.as_if(other.problem.with_entries(keep)):
            return f"duplicates: the {words} one wins"
    return "duplicates: one of them wins"


def _overwriting(case: Evidence) -> str:
    """Keep one entry of each row, the last."""
    problem = case.problem
    row = problem.a.row
    last = np.sort(len(row) - 1 - np.unique(row[::-1], return_index=True)[1])
    if len(last) < len(row) and _is_product(case) and case.as_if(problem.with_entries(last)):
        return "entries of a row overwrite each other: the last one wins"
    return ""


def _is_product(case: Evidence) -> bool:
    return case.contract.name.startswith(("spmm", "spmv"))


def _square(case: Evidence) -> str:
    """Read it transposed, and see whether a column more, which makes it oblong, is read right."""
    problem, a = case.problem, case.problem.a
    m, k = a.shape
    if m != k or not case.as_if(replace(problem, a=a._replace(row=a.col, col=a.row))):
        return ""
    more = np.concatenate([problem.b, problem.b[:1]])
    oblong = replace(problem, a=a._replace(shape=(m, k + 1)), b=more)
    return "square matrices are read transposed" if case.right_on(oblong) else ""


def _spreading(case: Evidence) -> str:
    """Look for NaN in rows where nothing that is not finite takes part."""
    if case.arrays is None or case.found.judgement.rule != "special" or not _is_product(case):
        return ""
    got, expected = case.arrays
    if (np.isfinite(expected) & np.isnan(got)).any() and not np.isfinite(expected).all():
        return "NaN is spread from one row to others, as by differences of running sums"
    return ""


def _order(case: Evidence) -> str:
    problem = case.problem
    order = np.lexsort((problem.a.col, problem.a.row))
    if (order == np.arange(len(order))).all():
        return ""
    if case.right_on(problem.with_entries(order)):
        return "assumes sorted indices"
    return ""


def _explicit_zeros(case: Evidence) -> str:
    keep = case.problem.a.data != 0
    if not keep.all() and case.as_if(case.problem.with_entries(keep)):
        return "explicit zeros are dropped, or skipped"
    return ""


def _implicit_zeros(case: Evidence) -> str:
    if not case.contract.name.startswith(("spmm", "spmv", "spgemm")):
        return ""
    if case.profile.implicit_zeros != "skip" or not case.as_if(case.problem, IEEE):
        return ""
    # An empty row in front: dense products make NaN of it too, running sums do not.
    a = case.problem.a
    below = a._replace(row=a.row + 1, shape=(a.shape[0] + 1, a.shape[1]))
    bias = np.concatenate([case.problem.bias, case.problem.bias])[: a.shape[0] + 1]
    more = replace(case.problem, a=below, bias=bias)
    if len(bias) == below.shape[0] and case.right_on(more, IEEE):
        return "implicit zeros are computed with: 0 * inf and 0 * NaN are NaN"
    return ""


def _zeros_of_b(case: Evidence) -> str:
    a, b = case.problem.a, case.problem.b
    if case.found.judgement.rule != "special" or np.isfinite(a.data).all() or not (b == 0).any():
        return ""
    plain = np.where(np.isfinite(a.data), a.data, 0).astype(a.data.dtype)
    return "terms with zeros of b are skipped" if case.as_if(_with(case, plain)) else ""


def _with(case: Evidence, data: Array) -> Problem:
    return replace(case.problem, a=case.problem.a._replace(data=data))


def _hidden_nan(case: Evidence) -> str:
    if case.arrays is None or case.found.judgement.rule != "special":
        return ""
    got, expected = case.arrays
    if not is_float(expected.dtype) or not np.isnan(expected).any():
        return ""
    lost = np.isnan(expected) & ~np.isnan(got)
    if not lost.any():
        return ""
    if "relu" in case.contract.name:
        return "NaN is hidden by max: relu compares, and gives 0 where a comparison fails"
    if case.contract.name.startswith("softmax"):
        return _hidden_in_softmax(case)
    return "NaN is replaced by 0" if (got[lost] == 0).all() else ""


def _hidden_in_softmax(case: Evidence) -> str:
    x = case.problem.a.data
    if np.isnan(x).any():
        return "NaN is hidden by max: the row's largest, or its sum, passes it over"
    if np.isneginf(x.astype(np.float64)).all():
        return "a row of nothing but -inf gives numbers: -inf - -inf must be NaN"
    return "infinity takes all the weight: inf - inf must be NaN"


def _empty_rows(case: Evidence) -> str:
    problem = case.problem
    a = problem.a
    count = np.bincount(a.row, minlength=a.shape[0])
    if not (count == 0).any() or not len(a.row):
        return ""
    order = np.argsort(a.row, kind="stable")
    starts = np.cumsum(count) - count
    empty = np.flatnonzero(count == 0)
    # np.add.reduceat gives the entry at its index where a segment is empty.
    taken = order[np.minimum(starts[empty], len(order) - 1)]
    row, at = np.concatenate([a.row[order], empty]), np.concatenate([order, taken])
    repeated = Triplets(row, a.col[at], a.data[at], a.shape)
    if case.as_if(replace(problem, a=repeated, earlier=None)):
        return "an empty row gets the entry after it: a reduceat-style error"
    squeezed = np.unique(a.row, return_inverse=True)[1].reshape(-1)
    if case.as_if(replace(problem, a=a._replace(row=squeezed))):
        return "rows after an empty row are shifted: a reduceat-style error"
    return ""


def _unset_rows(case: Evidence) -> str:
    rows = case.problem.a.shape[0]
    about_values = case.found.judgement.rule in ("value", "special")
    if not about_values or case.wrong is None or case.wrong.shape[:1] != (rows,):
        return ""
    count = np.bincount(case.problem.a.row, minlength=rows)
    hit = case.wrong.reshape(rows, -1).any(axis=1)
    if not hit.any() or (count[hit] > 0).any():
        return ""
    return "empty rows are left unset, or get what is not theirs"


def _other_matrix(case: Evidence) -> str:
    problem = case.problem
    for words, other in readings(problem):
        if ("transposed" not in words or _is_product(case)) and case.as_if(other):
            return words
    return ""


def _lost_part(case: Evidence) -> str:
    """Tell where the result is zero from some row or column on."""
    if case.arrays is None or case.wrong is None or case.found.expected.ndim != 2:
        return ""
    got, wrong = case.arrays[0], case.wrong
    if not wrong.any() or not (got[wrong] == 0).all():
        return ""
    for axis, what in ((0, "rows"), (1, "columns")):
        size = wrong.shape[axis]
        hit: Array = np.logical_or.reduce(wrong, axis=1 - axis)
        begin = int(hit.argmax())
        if begin and not hit[:begin].any():
            tiles = [tile for tile in TILES[::-1] if begin == size // tile * tile]
            if tiles:
                return f"the last partial tile of {tiles[0]} {what} is lost"
            if begin == size - 1:
                return f"the last of the {what} is lost"
    return "everything is zero" if not got.any() and size > 32 else ""


VALUES: tuple[Hypothesis, ...] = (
    _stale,
    _layout,
    _index_overflow,
    _explicit_zeros,
    _duplicates,
    _overwriting,
    _order,
    _square,
    _empty_rows,
    _implicit_zeros,
    _spreading,
    _zeros_of_b,
    *OPS,
    _hidden_nan,
    _other_matrix,
    _lost_part,
    _unset_rows,
    *NUMBERS,
    *LAST,
)
"""In the order in which they are tried: circumstances first, numbers last."""
