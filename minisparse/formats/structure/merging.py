"""Sums and products of two canonical matrices, cell by cell: a merge of two sorted lists of cells.

A word is a cell's number with one more bit, which matrix it is of. Both lists together are sorted
as plain numbers, which NumPy's vector sort does faster than anything else finds out what stands
where (see :mod:`minisparse.formats.ordering`). Of equal cells the left one then comes first, and
since each list was sorted before, the left words are the left entries in their order, and the right
ones the right entries: no slot has to be carried along. It goes by runs of lines whose words stay
in a cache, and whose cells are numbered from the run's first line, so that 32 bits mostly suffice.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.xp import is_on_gpu, namespace
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import expand
from minisparse.formats.coo import COO
from minisparse.formats.ordering import starts_of_lines

_PART = 2**13
"""Entries of either matrix in a run of lines, unless one line has more."""


class _Cells(NamedTuple):
    """Sorted cells, each once, of a run of lines: line, place in the line, value or block."""

    major: Array
    minor: Array
    data: Array


class _Run(NamedTuple):
    """The cells of both matrices in some lines."""

    left: _Cells
    right: _Cells


class _Meeting(NamedTuple):
    """Where the entries of both stand among the cells that either stores, so many in all."""

    of_left: Array
    of_right: Array
    both: Array
    total: int

    def in_both(self, places: Array) -> Array:
        """Return which of one matrix's entries stand in a cell that both store."""
        there = namespace(places).zeros(self.total, bool)
        there[self.both] = True
        return np.flatnonzero(there[places])


def sum_of(A: Matrix, B: Matrix, dtype: DType) -> Matrix:
    """Return ``A + B``, which stores what either stores.

    Parameters
    ----------
    A, B : Matrix
        Canonical, of one shape, and of one format, block included: COO, CSR, CSC or BSR.
    dtype : numpy.dtype
        In which values are added.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A, B = from_dense([[1, 2, 0]], "csr"), from_dense([[0, -2, 4]], "csr")
    >>> sum_of(A, B, A.dtype).data
    array([1, 0, 4])
    """
    most, is_coo = len(A.data) + len(B.data), isinstance(A, COO)
    majors, minors, _ = _arrays_of(A)
    xp = namespace(A.data)
    major, minor = xp.empty(most if is_coo else 0, majors.dtype), xp.empty(most, minors.dtype)
    data = xp.empty((most, *A.data.shape[1:]), dtype)
    lines, p, bound = [majors[:0]], 0, _bound(A, B)
    for run in _runs(A, B):
        met = _meet(run.left, run.right, bound)
        here = slice(p, p + met.total)
        _add(data[here], run.left.data, run.right.data, met)
        for cells, at in ((run.left, met.of_left), (run.right, met.of_right)):
            minor[here][at] = cells.minor
            if is_coo:
                major[here][at] = cells.major
        if not is_coo:
            lines.append(run.left.major[met.in_both(met.of_left)])
        p += met.total
    data, minor, major = (_shortened(x, p) for x in (data, minor, major))
    if is_coo:
        return A._trusted(A.shape, data=data, row=major, col=minor)
    twice = starts_of_lines(np.concatenate(lines), len(A.arrays["indptr"]) - 1)
    indptr = A.arrays["indptr"].astype(np.int64) + B.arrays["indptr"] - twice
    return A._trusted(A.shape, data=data, indices=minor, indptr=indptr)


def product_of(A: Matrix, B: Matrix, dtype: DType) -> Matrix:
    """Return ``A * B``, cell by cell, which stores what both store; otherwise as :func:`sum_of`."""
    majors, minors, _ = _arrays_of(A)
    parts, bound = [_Cells(majors[:0], minors[:0], A.data[:0].astype(dtype))], _bound(A, B)
    for run in _runs(A, B):
        met = _meet(run.left, run.right, bound)
        a, b = met.in_both(met.of_left), met.in_both(met.of_right)
        data = run.left.data[a].astype(dtype, copy=False)
        data = data * run.right.data[b].astype(dtype, copy=False)
        parts.append(_Cells(run.left.major[a], run.left.minor[a], data))
    major, minor, data = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if isinstance(A, COO):
        return A._trusted(A.shape, data=data, row=major, col=minor)
    indptr = starts_of_lines(major, len(A.arrays["indptr"]) - 1)
    return A._trusted(A.shape, data=data, indices=minor, indptr=indptr)


def _arrays_of(A: Matrix) -> tuple[Array, Array, bool]:
    """Return lines, or the pointers to them, and places; and whether these are pointers."""
    if isinstance(A, COO):
        return A.row, A.col, False
    return A.arrays["indptr"], A.arrays["indices"], True


def _bound(A: Matrix, B: Matrix) -> int:
    """Return more than any place within a line."""
    minors = (_arrays_of(x)[1] for x in (A, B))
    return 1 + max((int(minor.max()) for minor in minors if len(minor)), default=0)


def _runs(A: Matrix, B: Matrix) -> Iterator[_Run]:
    """Yield runs of the same lines of both, about so many entries each; on a card all are one."""
    (left, _, pointed), (right, _, _) = _arrays_of(A), _arrays_of(B)
    if is_on_gpu(A.data):
        cuts, ends = np.array([0, len(left) - 1]), [[0, len(A.data)], [0, len(B.data)]]
    elif pointed:
        together = left.astype(np.int64) + right
        wanted = np.arange(2 * _PART, together[-1], 2 * _PART)
        cuts = np.unique(np.concatenate([[0], together.searchsorted(wanted), [len(left) - 1]]))
        ends = [x[cuts].tolist() for x in (left, right)]
    else:
        cuts = np.unique(np.concatenate([left[_PART::_PART], right[_PART::_PART]]))[::2]
        ends = [[0, *x.searchsorted(cuts).tolist(), len(x)] for x in (left, right)]
    for i in range(len(ends[0]) - 1):
        slots = [slice(end[i], end[i + 1]) for end in ends]
        if any(part.start < part.stop for part in slots):
            lines = slice(int(cuts[i]), int(cuts[i + 1]) + 1) if pointed else None
            yield _Run(*(_cells_of(x, part, lines) for x, part in zip((A, B), slots, strict=True)))


def _cells_of(A: Matrix, slots: slice, lines: slice | None) -> _Cells:
    major, minor, _ = _arrays_of(A)
    if lines is None:
        return _Cells(major[slots], minor[slots], A.data[slots])
    numbers = expand(major[lines])
    numbers += major.dtype.type(lines.start)
    return _Cells(numbers, minor[slots], A.data[slots])


def _add(total: Array, a: Array, b: Array, met: _Meeting) -> None:
    """Write the sum of what stands in the same cell, and all else as it is."""
    total[met.of_left] = a
    also = total[met.both]
    total[met.of_right] = b
    total[met.both] += also


def _shortened(x: Array, count: int) -> Array:
    """Return the first elements; copied where the rest would be much."""
    return x[:count] if 4 * count >= 3 * len(x) else x[:count].copy()


def _meet(left: _Cells, right: _Cells, bound: int) -> _Meeting:
    """Return where entries of both stand among all cells of a run of lines."""
    words, xp = _words(left, right, bound), namespace(left.minor)
    one = words.dtype.type(1)
    is_right = (words & one).view(words.dtype).astype(bool)
    words >>= one
    same = words[1:] == words[:-1]
    again = np.flatnonzero(same) + 1
    both = again - xp.arange(1, len(again) + 1)
    if len(again):
        new = xp.ones(len(words), bool)
        new[again] = False
        is_right = is_right[new]
    of_left = np.flatnonzero(~is_right)
    is_right[both] = True
    return _Meeting(of_left, np.flatnonzero(is_right), both, len(is_right))


def _words(left: _Cells, right: _Cells, bound: int) -> Array:
    """Return all words of a run of lines, sorted."""
    some = [x.major for x in (left, right) if len(x.major)]
    first = min(int(x[0]) for x in some)
    cells = (max(int(x[-1]) for x in some) - first + 1) * bound
    pairs = [(x.major - x.major.dtype.type(first), x.minor) for x in (left, right)]
    if cells >= 2**63:  # numbers for the lines and places that occur, of which there are few
        ranks = [
            np.unique(np.concatenate(x), return_inverse=True)[1] for x in zip(*pairs, strict=True)
        ]
        count = len(left.major)
        pairs = [(ranks[0][:count], ranks[1][:count]), (ranks[0][count:], ranks[1][count:])]
        bound, cells = len(ranks[1]), len(ranks[0]) * len(ranks[1])
    width = np.dtype(np.uint32 if cells < 2**31 else np.uint64)
    words: Array = namespace(left.minor).empty(len(left.major) + len(right.major), width)
    start = 0
    for which, (major, minor) in enumerate(pairs):
        word = words[start : start + len(major)]
        np.multiply(major, width.type(2 * bound), out=word, dtype=width, casting="unsafe")
        twice = minor.astype(width)
        twice <<= width.type(1)
        twice += width.type(which)
        word += twice
        start += len(major)
    words.sort()
    return words
