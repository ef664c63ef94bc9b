"""Reductions of a matrix in CSR, row by row.

A stored entry in row m and column k goes to place ``m % y.shape[0], k % y.shape[1]`` of the result,
which has one row where rows are reduced, and one column where columns are. Sums and means take a
cell that is stored twice for two terms; for extremes no cell may be (docs/language.md, rule S24),
and where a cell is not stored there is a zero.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.formats import CSR
from minisparse.kernels.cells import each_cell_once
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.reduce import on_device, stored
from minisparse.kernels.reduce.counts import extreme_counts, mean_counts, sum_counts
from minisparse.kernels.reduce.shapes import bytes_moved, cells_in_each, finished, kept_shape
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import REDUCE_MAX, REDUCE_MEAN, REDUCE_MIN, REDUCE_SUM
from minisparse.ops.reductions import highest, lowest


def adding(divided: bool) -> Callable[..., Array]:
    """Return the loops of a sum, or of a mean."""

    def loops(x: CSR, *, axes: Sequence[int] | None, keepdims: int) -> Array:
        """Add up stored entries, one at a time; a mean is divided by the number of all cells."""
        y = np.zeros(kept_shape(x.shape, axes), wide_dtype(x.data))
        for m in range(x.shape[0]):
            for p in range(x.indptr[m], x.indptr[m + 1]):
                at = m % y.shape[0], x.indices[p] % y.shape[1]
                y[at] += x.data[p]
        if divided:
            y /= y.dtype.type(cells_in_each(x.shape, axes))
        return finished(y, x.dtype, axes, keepdims)

    return loops


def choosing(op: str, choose: np.ufunc, worst: Callable[[DType], Any]) -> Callable[..., Array]:
    """Return the loops of an extreme, given what it chooses and the worst that it could."""

    def loops(x: CSR, *, axes: Sequence[int] | None, keepdims: int) -> Array:
        """Compare stored entries, one at a time, and with a zero where a cell is not stored."""
        each_cell_once(x, op)
        y = np.full(kept_shape(x.shape, axes), worst(x.dtype))
        count = np.zeros(y.shape, int)
        for m in range(x.shape[0]):
            for p in range(x.indptr[m], x.indptr[m + 1]):
                at = m % y.shape[0], x.indices[p] % y.shape[1]
                y[at] = choose(y[at], x.data[p])
                count[at] += 1
        for at in np.ndindex(y.shape):
            if count[at] < cells_in_each(x.shape, axes):
                y[at] = choose(y[at], x.dtype.type(0))
        return finished(y, x.dtype, axes, keepdims)

    return loops


REDUCE_SUM_CSR = Kernel(
    REDUCE_SUM,
    CSR,
    bytes_moved,
    loops=adding(divided=False),
    vectorized=Level(stored.sum_of_stored, device=on_device.SUM),
    counts=sum_counts,
)
REDUCE_MEAN_CSR = Kernel(
    REDUCE_MEAN,
    CSR,
    bytes_moved,
    loops=adding(divided=True),
    vectorized=Level(stored.mean_of_stored, device=on_device.MEAN),
    counts=mean_counts,
)
REDUCE_MAX_CSR = Kernel(
    REDUCE_MAX,
    CSR,
    bytes_moved,
    loops=choosing("reduce_max", np.maximum, lowest),
    vectorized=Level(stored.max_of_stored, device=on_device.MAX),
    counts=extreme_counts,
)
REDUCE_MIN_CSR = Kernel(
    REDUCE_MIN,
    CSR,
    bytes_moved,
    loops=choosing("reduce_min", np.minimum, highest),
    vectorized=Level(stored.min_of_stored, device=on_device.MIN),
    counts=extreme_counts,
)
