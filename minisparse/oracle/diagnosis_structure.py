"""Guesses where a returned sparse matrix has the wrong form, or stores the wrong cells."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.diagnosis_values import VALUES
from minisparse.oracle.evidence import Evidence, Hypothesis
from minisparse.oracle.profile import IEEE


def _not_sorted(case: Evidence) -> str:
    wrong = "must be sorted" in case.found.judgement.message
    return "leaves indices unsorted" if wrong else ""


def _not_summed(case: Evidence) -> str:
    wrong = "must be stored once" in case.found.judgement.message
    has_terms = case.contract.name.startswith("spgemm") or len(
        set(zip(case.problem.a.row.tolist(), case.problem.a.col.tolist(), strict=True))
    ) < len(case.problem.a.row)
    wrong = wrong and has_terms
    return "duplicates are not summed: a cell is stored once for each term" if wrong else ""


def _pointers_too_short(case: Evidence) -> str:
    message = case.found.judgement.message
    if not message.startswith("indptr has ") or "elements" not in message:
        return ""
    row, rows = case.problem.a.row, case.problem.a.shape[0]
    if not len(row) or row.max() + 1 < rows:
        return "the pointers end with the last row that holds an entry, and not with the shape"
    return ""


def _one_based(case: Evidence) -> str:
    """Take one from every index, and see whether that is right."""
    got = case.got
    if not _is_three_arrays(got) or not len(got[1]):
        return ""
    truth = case.contract.expect(case.contract.arguments(case.problem), case.profile)
    for first in (got[0], got[0] - 1):
        if truth.judge((first, got[1] - 1, got[2])).passed:
            return "indices count from 1"
    return ""


def _overflown(case: Evidence) -> str:
    got = case.got
    if case.problem.index_dtypes == ("int32", "int32"):
        return ""
    if not case.right_on(replace(case.problem, index_dtypes=("int64", "int64"))):
        return ""
    if _is_three_arrays(got):
        narrow = {x.dtype.name for x in got[:2] if x.dtype.itemsize < 4}
        if narrow:
            return "integer overflow: pointers or indices of the result in a narrow dtype"
    return "integer overflow in the dtype of indices: right with int64"


def _cells_lost(case: Evidence) -> str:
    message = case.found.judgement.message
    cell = _cell_of(message)
    if "is not stored" not in message or cell is None:
        return ""
    a = case.problem.a
    values = a.data[(a.row == cell[0]) & (a.col == cell[1])]
    exact = _value_at(case, cell)
    if exact is not None and np.isnan(exact):
        return "NaN is dropped with the zeros: it is neither above nor below 0"
    if len(values) and "_to_" in case.contract.name:
        if (values == 0).all():
            return "explicit zeros are dropped"
        if len(values) > 1 and exact == 0:
            return "the pattern is lost: a cell whose entries cancel is dropped"
        if _is_right_if_positive(case):
            return "negative numbers are dropped: values are compared with 0, not with != 0"
        if exact is not None and 0 < abs(exact) < 1e-6:
            return "small numbers are dropped as if they were zeros"
        if exact is not None and complex(exact).real == 0 != complex(exact).imag:
            return "only real parts are looked at: imaginary numbers count as zero"
    return ""


def _is_right_if_positive(case: Evidence) -> bool:
    a = case.problem.a
    if a.data.dtype.kind == "c" or not (a.data < 0).any():
        return False
    return case.right_on(replace(case.problem, a=a._replace(data=np.abs(a.data))))


def _cells_too_many(case: Evidence) -> str:
    message = case.found.judgement.message
    cell = _cell_of(message)
    if "must not be" not in message or not _is_three_arrays(case.got):
        return ""
    if case.contract.name == "dense_to_csr" and cell is not None:
        x = case.found.inputs["dense"]
        if cell[0] < x.shape[0] and cell[1] < x.shape[1] and _is_negative_zero(x[cell]):
            return "-0.0 is stored: zeros are told by their bits"
    if case.contract.name.startswith("spgemm") and case.as_if(case.problem, IEEE):
        return "implicit zeros are computed with, as in a dense product"
    return ""


def _is_negative_zero(x: complex) -> bool:
    """Tell whether a part of a zero has its sign bit set."""
    return x == 0 and bool(np.signbit(np.real(x)) or np.signbit(np.imag(x)))


def _is_three_arrays(got: object) -> bool:
    return (
        isinstance(got, tuple | list)
        and len(got) == 3
        and all(isinstance(x, np.ndarray) for x in got)
    )


def _cell_of(message: str) -> tuple[int, int] | None:
    """Return the cell that a message speaks of: ``cell (1, 2) is …``."""
    inside = message.partition("cell (")[2].partition(")")[0].split(",")
    return (int(inside[0]), int(inside[1])) if len(inside) == 2 else None


def _value_at(case: Evidence, cell: tuple[int, int]) -> complex | None:
    """Return the exact value of a cell; a number without imaginary part is a float."""
    expected = case.found.expected
    if not isinstance(expected, dict):
        return None
    where: Array = (expected["row"] == cell[0]) & (expected["col"] == cell[1])
    if not where.any():
        return None
    value = expected["data"][where][0]
    return complex(value) if expected["data"].dtype.kind == "c" else float(value)


STRUCTURE: tuple[Hypothesis, ...] = (
    _not_summed,
    _overflown,
    _not_sorted,
    _pointers_too_short,
    _one_based,
    _cells_lost,
    _cells_too_many,
    *VALUES,
)
"""In the order in which they are tried; the wrong cell may also hide a wrong value."""
