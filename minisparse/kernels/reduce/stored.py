"""Reductions of stored entries as array code, for every format.

Where a format keeps lines together and they are what is reduced, it is a segmented reduction; all
else is a scattered one. The order is fixed: that of the entries.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import BSR, COO, CSC, CSR, Matrix
from minisparse.gpu.segments import reduce_segments
from minisparse.kernels.cells import each_cell_once
from minisparse.kernels.reduce.shapes import cells_in_each, finished, kept_shape
from minisparse.kernels.wide import wide_dtype
from minisparse.ops.reductions import highest, lowest

_CHUNK = 2**18
"""Entries that are worked on at a time: what is made of them on the way is small."""


class _Lines(NamedTuple):
    """Values by result: in runs that ``indptr`` cuts, or each to its place in ``line``.

    Without either, all belong to the only result.
    """

    values: Array
    indptr: Array | None = None
    line: Array | None = None


def sum_of_stored(x: Matrix, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Add up the entries of each result."""
    return finished(_sums(x, axes), x.dtype, axes, keepdims)


def mean_of_stored(x: Matrix, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Add up the entries of each result, and divide by its number of cells."""
    y = _sums(x, axes)
    y /= y.dtype.type(cells_in_each(x.shape, axes))
    return finished(y, x.dtype, axes, keepdims)


def max_of_stored(x: Matrix, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Take the largest entry of each result, or a zero where a cell is not stored."""
    each_cell_once(x, "reduce_max")
    y = _chosen(x, axes, np.maximum, np.full(kept_shape(x.shape, axes), lowest(x.dtype)))
    return finished(y, x.dtype, axes, keepdims)


def min_of_stored(x: Matrix, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Take the least entry of each result, or a zero where a cell is not stored."""
    each_cell_once(x, "reduce_min")
    y = _chosen(x, axes, np.minimum, np.full(kept_shape(x.shape, axes), highest(x.dtype)))
    return finished(y, x.dtype, axes, keepdims)


def _lines_of(x: Matrix, kept: tuple[int, ...]) -> Iterator[_Lines]:
    """Yield the stored entries by the result that they belong to, so many at a time."""
    if isinstance(x, CSR | CSC) and kept == ((x.shape[0], 1) if isinstance(x, CSR) else
                                             (1, x.shape[1])):  # fmt: skip
        yield _Lines(x.data, indptr=x.indptr)
    elif isinstance(x, CSR | CSC | COO):
        line = None
        if kept != (1, 1):
            by_row = kept == (x.shape[0], 1)
            line = x.indices if not isinstance(x, COO) else x.row if by_row else x.col
        for p in range(0, x.nnz, _CHUNK):
            part = slice(p, p + _CHUNK)
            yield _Lines(x.data[part], line=None if line is None else line[part])
    else:
        for first, band in _bands(x):
            row, col, data, _ = band.triplets()
            if kept != (1, 1):
                yield _Lines(data, line=row + first if kept == (x.shape[0], 1) else col)
            else:
                yield _Lines(data)


def _bands(x: Matrix) -> Iterator[tuple[int, Matrix]]:
    """Yield bands of rows of a matrix in BSR or n:m, and the first row of each."""
    lines = len(x.indptr) - 1 if isinstance(x, BSR) else x.shape[0]
    height = x.block[0] if isinstance(x, BSR) else 1
    step = max(1, _CHUNK * lines // max(x.nnz, 1))
    for i in range(0, lines, step):
        shape = min((i + step) * height, x.shape[0]) - i * height, x.shape[1]
        if isinstance(x, BSR):
            indptr = x.indptr[i : i + step + 1]
            part = slice(int(indptr[0]), int(indptr[-1]))
            arrays = {
                "data": x.data[part],
                "indices": x.indices[part],
                "indptr": indptr - part.start,
            }
        else:
            arrays = {name: array[i : i + step] for name, array in x.arrays.items()}
        yield i * height, x._trusted(shape, **arrays, **x._extras)


def _sums(x: Matrix, axes: Sequence[int] | None) -> Array:
    y = np.zeros(kept_shape(x.shape, axes), wide_dtype(x.data))
    flat = y.reshape(-1)
    for values, indptr, line in _lines_of(x, y.shape) if y.size else ():
        if indptr is not None:
            reduce_segments(np.add, values, indptr, flat)
        elif line is None:
            flat[0] += values.sum(dtype=y.dtype)
        else:
            np.add.at(flat, line, values.astype(y.dtype, copy=False))
    return y


def _chosen(x: Matrix, axes: Sequence[int] | None, choose: np.ufunc, y: Array) -> Array:
    """Write to y the extremes of stored entries, and of the zeros between them."""
    flat, count = y.reshape(-1), np.zeros(y.size, np.int64)
    for values, indptr, line in _lines_of(x, y.shape) if y.size else ():
        if indptr is not None:
            reduce_segments(choose, values, indptr, flat)
            count += np.diff(indptr)
        elif line is None:
            flat[0] = choose.reduce(values, initial=flat[0])
            count[0] += len(values)
        else:
            choose.at(flat, line, values)
            count += np.bincount(line, minlength=y.size)
    some = count < cells_in_each(x.shape, axes)
    flat[some] = choose(flat[some], y.dtype.type(0))
    return y
