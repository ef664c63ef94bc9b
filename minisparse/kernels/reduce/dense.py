"""Reductions of plain arrays along axes, as ONNX and NumPy have them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.xp import asarray
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.reduce.counts import extreme_counts, mean_counts, sum_counts
from minisparse.kernels.reduce.shapes import bytes_moved, cells_in_each, finished, kept_shape
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import REDUCE_MAX, REDUCE_MEAN, REDUCE_MIN, REDUCE_SUM
from minisparse.ops.reductions import highest, lowest, reduced_axes


def adding(divided: bool) -> Callable[..., Array]:
    """Return the loops of a sum, or of a mean."""

    def loops(x: Array, *, axes: Sequence[int] | None, keepdims: int) -> Array:
        """Add up elements, one at a time; a mean is divided by the number of all cells."""
        y = np.zeros(kept_shape(x.shape, axes), wide_dtype(x))
        for i in np.ndindex(x.shape):
            at = tuple(a % length for a, length in zip(i, y.shape, strict=True))
            y[at] += x[i]
        if divided:
            y /= y.dtype.type(cells_in_each(x.shape, axes))
        return finished(y, x.dtype, axes, keepdims)

    return loops


def choosing(choose: np.ufunc, worst: Callable[[DType], Any]) -> Callable[..., Array]:
    """Return the loops of an extreme, given what it chooses and the worst that it could."""

    def loops(x: Array, *, axes: Sequence[int] | None, keepdims: int) -> Array:
        """Compare elements, one at a time; NaN wins."""
        y = np.full(kept_shape(x.shape, axes), worst(x.dtype))
        for i in np.ndindex(x.shape):
            at = tuple(a % length for a, length in zip(i, y.shape, strict=True))
            y[at] = choose(y[at], x[i])
        return finished(y, x.dtype, axes, keepdims)

    return loops


def sum_of_all(x: Array, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Add up in one call, in the accumulator's dtype."""
    y = np.add.reduce(x, reduced_axes(x.ndim, axes), wide_dtype(x), keepdims=True)
    return finished(asarray(y), x.dtype, axes, keepdims)


def mean_of_all(x: Array, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Add up in one call, in the accumulator's dtype, and divide."""
    y = asarray(np.add.reduce(x, reduced_axes(x.ndim, axes), wide_dtype(x), keepdims=True))
    y /= y.dtype.type(cells_in_each(x.shape, axes))
    return finished(y, x.dtype, axes, keepdims)


def max_of_all(x: Array, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Compare in one call."""
    gone = reduced_axes(x.ndim, axes)
    y = np.maximum.reduce(x, gone, keepdims=True, initial=lowest(x.dtype))
    return finished(asarray(y), x.dtype, axes, keepdims)


def min_of_all(x: Array, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Compare in one call."""
    gone = reduced_axes(x.ndim, axes)
    y = np.minimum.reduce(x, gone, keepdims=True, initial=highest(x.dtype))
    return finished(asarray(y), x.dtype, axes, keepdims)


REDUCE_SUM_DENSE = Kernel(
    REDUCE_SUM,
    None,
    bytes_moved,
    loops=adding(divided=False),
    vectorized=Level(sum_of_all, device=by_meaning(REDUCE_SUM)),
    counts=sum_counts,
)
REDUCE_MEAN_DENSE = Kernel(
    REDUCE_MEAN,
    None,
    bytes_moved,
    loops=adding(divided=True),
    vectorized=Level(mean_of_all, device=by_meaning(REDUCE_MEAN)),
    counts=mean_counts,
)
REDUCE_MAX_DENSE = Kernel(
    REDUCE_MAX,
    None,
    bytes_moved,
    loops=choosing(np.maximum, lowest),
    vectorized=Level(max_of_all, device=by_meaning(REDUCE_MAX)),
    counts=extreme_counts,
)
REDUCE_MIN_DENSE = Kernel(
    REDUCE_MIN,
    None,
    bytes_moved,
    loops=choosing(np.minimum, highest),
    vectorized=Level(min_of_all, device=by_meaning(REDUCE_MIN)),
    counts=extreme_counts,
)
