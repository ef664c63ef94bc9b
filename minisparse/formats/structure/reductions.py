"""Sums, means and extremes of a matrix, of its columns (axis 0) or of its rows (axis 1).

They speak of cells, as NumPy does of the dense matrix: duplicates are summed first, zeros that are
not stored count in ``min``, ``max`` and ``mean``, and NaN goes through. Only stored entries are
read. Results are plain arrays, or scalars for ``axis=None``, of the dtypes that NumPy gives.
"""

from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.core.xp import is_on_gpu, namespace
from minisparse.formats.base import Matrix
from minisparse.formats.ordering import sorted_keys
from minisparse.gpu.segments import reduce_segments


class _Lines(NamedTuple):
    """Cells line by line: ``data [nnz]`` in the lines ``line [nnz]``, which do not decrease."""

    line: Array
    data: Array
    number: int
    """How many lines there are."""
    length: int
    """How many cells a line has, stored or not."""


def total(A: Matrix, axis: int | None = None) -> Any:
    """Return the sum of all cells, or of each column (axis 0) or row (axis 1).

    Sums of bool and integers have NumPy's width; those of float16 and bfloat16 are accumulated in
    float32.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A = from_dense([[1, 2], [0, 4]], "csr")
    >>> int(A.sum()), A.sum(axis=0), A.sum(axis=1)
    (7, array([1, 6]), array([3, 4]))
    """
    lines = _lines_of(A, axis, "sum")
    dtype = np.zeros(1, A.dtype).sum().dtype
    with np.errstate(all="ignore"):  # overflow of the last rounding is infinity
        return _shaped(_sums(lines, accumulator(dtype)).astype(dtype, copy=False), axis)


def mean(A: Matrix, axis: int | None = None) -> Any:
    """Return the mean of all cells, or of each column or row; NaN where there is no cell.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> from_dense([[1, 2], [0, 4]], "csr").mean(axis=1)
    array([1.5, 2. ])
    """
    lines = _lines_of(A, axis, "mean")
    dtype = np.zeros(1, A.dtype).mean().dtype
    sums = _sums(lines, accumulator(dtype))
    with np.errstate(all="ignore"):  # 0 / 0 is NaN, and overflow infinity
        return _shaped((sums / lines.length).astype(dtype, copy=False), axis)


def lowest(A: Matrix, axis: int | None = None) -> Any:
    """Return the least cell of all, or of each column or row.

    Raises
    ------
    ShapeError
        If there is no cell to choose from.
    DTypeError
        For complex numbers, which have no order.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> from_dense([[1, 2], [0, 4]], "csr").min(axis=1)
    array([1, 0])
    """
    return _extreme(A, axis, np.minimum, "min")


def highest(A: Matrix, axis: int | None = None) -> Any:
    """Return the greatest cell of all, or of each column or row; see :func:`lowest`.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> int(from_dense([[-1, 0], [-3, -4]], "csr").max())
    0
    """
    return _extreme(A, axis, np.maximum, "max")


def count_nonzero(A: Matrix, axis: int | None = None) -> Any:
    """Return how many cells are not zero, of all, or of each column or row.

    Unlike ``nnz`` it counts neither stored zeros nor a cell twice.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 0.0], [0, 1], [0, 2], (1, 2))
    >>> A.nnz, A.count_nonzero(), A.count_nonzero(axis=0)
    (2, 1, array([1, 0]))
    """
    lines = _lines_of(A, axis, "count_nonzero")
    found = np.bincount(lines.line[lines.data != 0], minlength=lines.number)
    return int(found[0]) if axis is None else found


def _extreme(A: Matrix, axis: int | None, choose: np.ufunc, where: str) -> Any:
    lines = _lines_of(A, axis, where)
    if A.dtype.kind == "c":
        raise DTypeError(f"{where}: A is {A.dtype}: complex numbers have no order; abs(A) has one")
    if not lines.length:
        raise ShapeError(
            f"{where}: A is {A.shape[0]}x{A.shape[1]}: there is no cell to choose from along "
            f"axis {axis}"
        )
    chosen = namespace(A.data).zeros(lines.number, A.dtype)
    starts, at = _starts(lines)
    if len(at):
        full = np.diff(starts, append=len(lines.data)) == lines.length
        with np.errstate(all="ignore"):  # NaN is a value here, not an accident
            of_stored = _reduced(choose, lines.data, starts)
            chosen[at] = np.where(full, of_stored, choose(of_stored, chosen[at]))
    return _shaped(chosen, axis)


def _sums(lines: _Lines, dtype: DType) -> Array:
    sums: Array = namespace(lines.data).zeros(lines.number, dtype)
    starts, at = _starts(lines)
    if len(at):
        with np.errstate(all="ignore"):  # inf - inf and overflow are values here, not accidents
            sums[at] = _reduced(np.add, lines.data.astype(dtype, copy=False), starts)
    return sums


_WHOLE: dict[np.ufunc, str] = {np.add: "sum", np.maximum: "max", np.minimum: "min"}


def _reduced(reduce: np.ufunc, data: Array, starts: Array) -> Array:
    """Return what becomes of each run of values; all runs have some."""
    if not is_on_gpu(data):
        return reduce.reduceat(data, starts)
    if len(starts) == 1:  # one run is not enough work for one warp or many, but for all
        names = {"dtype": data.dtype} if reduce is np.add else {}
        found: Array = getattr(data, _WHOLE[reduce])(keepdims=True, **names)
        return found
    xp = namespace(data)
    indptr = xp.empty(len(starts) + 1, np.int64)
    indptr[:-1], indptr[-1] = starts, len(data)
    return reduce_segments(reduce, data, indptr, xp.empty(len(starts), data.dtype))


def _starts(lines: _Lines) -> tuple[Array, Array]:
    """Return where the entries of each line that has any start, and which lines these are."""
    first = namespace(lines.line).ones(len(lines.line), bool)
    first[1:] = lines.line[1:] != lines.line[:-1]
    starts = np.flatnonzero(first)
    return starts, lines.line[starts]


def _lines_of(A: Matrix, axis: int | None, where: str) -> _Lines:
    """Return the cells of A, line by line; all of them make one line for ``axis=None``."""
    if axis is not None and (isinstance(axis, bool) or axis not in (0, 1, -1, -2)):
        raise UsageError(f"{where}: axis is {axis!r}: it must be 0, 1 or None")
    row, col, data, (m, k) = A.canonical().triplets()
    if axis is None:
        return _Lines(namespace(data).zeros(len(data), np.int8), data, 1, m * k)
    line, count, length = (col, k, m) if axis in (0, -2) else (row, m, k)
    if not (line[1:] >= line[:-1]).all():
        order = sorted_keys(line, count)[1]
        line, data = line[order], data[order]
    return _Lines(line, data, count, length)


def _shaped(results: Array, axis: int | None) -> Any:
    """Return one result for each line, or the only one as a scalar."""
    return results[0] if axis is None else results
