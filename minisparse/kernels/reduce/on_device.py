"""Reductions of stored entries that lie on a device: segmented, along rows or along columns.

Of all cells, the rows come first, and then a plain reduction of what they give. A cell that is not
stored is a zero that the extremes have to be compared with: how many there are is counted there.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.xp import namespace
from minisparse.formats import Matrix
from minisparse.gpu.segments import reduce_segments, segment_sums
from minisparse.kernels.cells import each_cell_once
from minisparse.kernels.entries import Entries, pack, pack_columns
from minisparse.kernels.kernel import Level
from minisparse.kernels.reduce.shapes import cells_in_each, finished, kept_shape
from minisparse.kernels.wide import wide_dtype
from minisparse.ops.reductions import highest, largest_along, least_along, lowest


def _lines(x: Matrix, kept: tuple[int, ...]) -> Entries:
    """Return the entries by the line that they are reduced in."""
    return pack_columns(x) if kept[0] == 1 and kept[1] != 1 else pack(x)


def _sum(divided: bool, x: Matrix, *, axes: Sequence[int] | None, keepdims: int) -> Array:
    kept, wide = kept_shape(x.shape, axes), wide_dtype(x.dtype)
    a = _lines(x, kept)
    y = segment_sums(a.data.astype(wide, copy=False), a.indptr)[: a.shape[0]]
    if kept == (1, 1):
        y = y.sum(dtype=wide)
    y = y.reshape(kept)
    if divided:
        y = y / wide.type(cells_in_each(x.shape, axes))
    return finished(y, x.dtype, axes, keepdims)


def _extreme(
    name: str,
    choose: np.ufunc,
    along: Callable[..., Array],
    worst: Callable[[DType], Any],
    x: Matrix,
    *,
    axes: Sequence[int] | None,
    keepdims: int,
) -> Array:
    each_cell_once(x, name)
    xp, kept, least = namespace(x.data), kept_shape(x.shape, axes), worst(x.dtype)
    a = _lines(x, kept)
    lines = xp.full(len(a.indptr) - 1, least, x.dtype)
    y = reduce_segments(choose, a.data, a.indptr, lines)[: a.shape[0]]
    count = (a.indptr[1:] - a.indptr[:-1])[: a.shape[0]]
    if kept == (1, 1):
        y, count = along(y, least, 0).reshape(kept), count.sum().reshape(kept)
    some = count.reshape(kept) < cells_in_each(x.shape, axes)
    y = y.reshape(kept)
    return finished(xp.where(some, choose(y, x.dtype.type(0)), y), x.dtype, axes, keepdims)


SUM = Level(partial(_sum, False))
MEAN = Level(partial(_sum, True))
MAX = Level(partial(_extreme, "reduce_max", np.maximum, largest_along, lowest))
MIN = Level(partial(_extreme, "reduce_min", np.minimum, least_along, highest))
