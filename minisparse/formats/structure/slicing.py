"""Slicing: ``A[rows, columns]`` as a matrix, or as plain values where it names single cells.

Along the lines that a format compresses, rows of CSR and columns of CSC, a part is found by its
pointers alone, and a contiguous one shares the arrays of the whole; across them every entry of
those lines is looked at once. Entries keep their stored order, and a cell stored twice is so in
the part too.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.core.xp import is_on_gpu, namespace
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import Compressed, pointers
from minisparse.formats.csc import CSC
from minisparse.formats.csr import CSR
from minisparse.formats.intake import beside
from minisparse.formats.structure.results import in_single_cells, in_units, unit_of
from minisparse.formats.structure.selection import Cells, Lines, Part, Picked, Run, understand


def select(A: Matrix, key: Any) -> Any:
    """Return ``A[key]``.

    Parameters
    ----------
    A : Matrix
        ``[M, K]``.
    key : int, slice, array_like, Ellipsis, or a tuple of at most two of them
        What NumPy takes for two axes, but for ``None`` and masks of A's shape.

    Returns
    -------
    Matrix
        Always 2-D: ``A[3]`` is one row, ``A[:, 3]`` one column. COO, CSR and CSC stay what they
        are; BSR and n:m do where no block or group is cut, and else give CSR.
    scalar or ndarray
        For two integers, or two arrays: the values of these cells, duplicates summed. All
        cells where rows and columns meet are ``A[np.ix_(rows, columns)]``, a matrix.

    Raises
    ------
    SelectionError
        If a row or column does not exist, or a mask has another length than the axis.
    UsageError
        If ``key`` is nothing that selects.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A = from_dense([[0, 1, 2], [3, 0, 0]], "csr")
    >>> A[:, ::-1].to_dense()
    array([[2, 1, 0],
           [0, 0, 3]])
    >>> int(A[0, 2]), A[[0, 1], [1, 1]]
    (2, array([1, 0]))
    """
    wanted = understand(_beside(A, key), A.shape)
    return part(A, wanted) if isinstance(wanted, Part) else cells(A, wanted)


def _beside(A: Matrix, key: Any) -> Any:
    """Return a key whose arrays lie where A does; lists and ranges are brought to a card."""
    if isinstance(key, tuple):
        return tuple(_beside(A, k) for k in key)
    if is_on_gpu(key) or (is_on_gpu(A.data) and isinstance(key, np.ndarray | list | range)):
        return beside(A, key, "A[…]: an index")
    return key


def part(A: Matrix, wanted: Part) -> Matrix:
    """Return the submatrix of these rows and columns."""
    rows, cols = wanted
    shape = rows.length, cols.length
    if isinstance(A, CSR):
        return CSR._trusted(shape, **_cut(Compressed(**A.arrays), rows, cols)._asdict())
    if isinstance(A, CSC):
        return CSC._trusted(shape, **_cut(Compressed(**A.arrays), cols, rows)._asdict())
    row, col, data, _ = A.triplets()
    times, row = rows.find(row)
    col, data = _repeat(col, times), _repeat(data, times)
    times, col = cols.find(col)
    entries = Triplets(_repeat(row, times), col, _repeat(data, times), shape)
    return in_units(A, entries) if _keeps_units(A, wanted) else in_single_cells(A, entries)


def _keeps_units(A: Matrix, wanted: Part) -> bool:
    """Tell whether no block or group of A is cut or pulled apart."""
    unit = unit_of(A)
    if unit is None:
        return False
    by_rows = wanted.rows.keeps_units(unit[0], A.shape[0])
    return by_rows and wanted.cols.keeps_units(unit[1], A.shape[1])


def cells(A: Matrix, wanted: Cells) -> Any:
    """Return the values of single cells: a scalar, or an array of the shape of ``wanted.row``."""
    if is_on_gpu(A.data) and not is_on_gpu(wanted.row):  # two integers
        one = part(A, Part(Run(int(wanted.row), 1, 1), Run(int(wanted.col), 1, 1)))
        return one.to_dense()[0, 0]
    rows, row = np.unique(wanted.row, return_inverse=True)
    cols, col = np.unique(wanted.col, return_inverse=True)
    # Numbered among the rows and columns that occur, cells have keys that cannot overflow.
    found = part(A, Part(_one_or_many(rows), _one_or_many(cols))).to("coo").canonical()
    key = found.triplets().row.astype(np.int64) * len(cols) + found.triplets().col
    wish = row.reshape(wanted.row.shape) * len(cols) + col.reshape(wanted.col.shape)
    at = np.minimum(np.searchsorted(key, wish), max(len(key) - 1, 0))
    values = namespace(A.data).zeros(wish.shape, A.dtype)
    if len(key):
        values += np.where(key[at] == wish, found.data[at], values)
    return values[()]


def _one_or_many(lines: Array) -> Lines:
    return Run(int(lines[0]), 1, 1) if len(lines) == 1 else Picked(lines)


def _cut(arrays: Compressed, majors: Lines, minors: Lines) -> Compressed:
    """Return the part of compressed storage where these major and minor lines meet."""
    data, indices, indptr = _of_majors(arrays, majors)
    if isinstance(minors, Run) and minors.start == 0 and minors.step == 1:
        everything = not indices.size or indices.max() < minors.length
        if everything:
            return Compressed(data, indices, indptr)
    times, minor = minors.find(indices)
    return Compressed(_repeat(data, times), minor, pointers(times)[indptr])


def _of_majors(arrays: Compressed, majors: Lines) -> Compressed:
    data, indices, indptr = arrays
    if isinstance(majors, Run) and majors.step == 1:
        indptr = indptr[majors.start : majors.start + majors.length + 1]
        held = slice(int(indptr[0]), int(indptr[-1]))
        return Compressed(data[held], indices[held], indptr - indptr[0])
    xp = namespace(data)
    lines = majors.numbers(xp)
    begin = indptr[lines].astype(np.int64)
    count = indptr[lines + 1] - begin
    target = pointers(count)
    slots = xp.arange(int(target[-1])) + np.repeat(begin - target[:-1], count)
    return Compressed(data[slots], indices[slots], target)


def _repeat(array: Array, times: Array) -> Array:
    """Return each element so many times; ``times`` may be a mask."""
    repeated: Array = array[times] if times.dtype == np.bool_ else np.repeat(array, times)
    return repeated
