"""The k largest or least elements along an axis, without sorting the others.

``partition`` (introselect, Musser, Software: Practice and Experience 27(8), 1997) finds the k-th
element of each line in linear time. What lies beyond it is chosen; of what equals it, the first in
line, as many as are missing. Only those chosen are sorted. Where there is a NaN, or much of each
line is asked for, lines are sorted whole, as the op's meaning has it.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meanings
from minisparse.ops.choice import TOP_K

_SORTED = 8
"""Where at least one element in so many is chosen, sorting them all is as fast."""


def bytes_moved(x: TensorType, k: TensorType) -> int:
    """Count X once; how much of it is written is not told by a type."""
    return x.size * x.itemsize


def vectorized(
    x: Array,
    k: Array,
    axis: int,
    largest: int,
    sorted: int,  # noqa: A002
) -> tuple[Array, Array]:
    """Find the k-th, choose, and sort what was chosen."""
    count, n = int(k.reshape(())), x.shape[axis] if x.ndim else 0
    attrs = {"axis": axis, "largest": largest, "sorted": sorted}
    if x.dtype.kind not in "iuf" or not 0 < count * _SORTED <= n or not x.size:
        return _meant(x, k, attrs)
    lines = np.moveaxis(x, axis, -1)
    rows = np.ascontiguousarray(lines).reshape(-1, n)
    if x.dtype.kind == "f" and np.isnan(rows).any():
        return _meant(x, k, attrs)
    places = _chosen(rows, count, bool(largest))
    values = np.take_along_axis(rows, places, 1)
    shape = (*lines.shape[:-1], count)
    found = [np.moveaxis(y.reshape(shape), -1, axis) for y in (values, places)]
    return np.ascontiguousarray(found[0]), np.ascontiguousarray(found[1])


def _meant(x: Array, k: Array, attrs: dict[str, int]) -> tuple[Array, Array]:
    values, places = TOP_K.dense((x, k), attrs)
    return values, places


def _chosen(rows: Array, count: int, largest: bool) -> Array:
    """Return which elements of each row are chosen, in order, int64 ``[rows, count]``."""
    n = rows.shape[1]
    kth = n - count if largest else count - 1
    limit = np.partition(rows, kth, axis=1)[:, kth, None]
    row, place = np.nonzero(rows >= limit if largest else rows <= limit)
    values = rows[row, place]
    # Stable, so that of equal ones the first comes first; descending by way of ranks, since what is
    # negated may not fit.
    ranks = np.unique(values, return_inverse=True)[1].reshape(-1)
    order = np.lexsort((-ranks if largest else ranks, row))
    starts = np.searchsorted(row, np.arange(len(rows)))
    return asarray(place[order][starts[:, None] + np.arange(count)])


TOP_K_DENSE = Kernel(
    TOP_K, None, bytes_moved, vectorized=Level(vectorized, device=by_meanings(TOP_K))
)
