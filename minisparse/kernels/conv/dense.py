"""Convolution with dense weights: ``Y[n, m, y, x] = sum_{c, i, j} W[m, c, i, j] * X[n, c, ...]``.

The windows become columns, tile by tile, and the filters one matrix: see
:mod:`minisparse.kernels.conv.columns`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.conv.choice import LAY, MULTIPLY, shifting_pays, tile_places
from minisparse.kernels.conv.columns import lay_out, layout_of
from minisparse.kernels.conv.counts import count_frame, count_seen_by_all
from minisparse.kernels.conv.depthwise import convolve_depthwise
from minisparse.kernels.conv.folding import Folded, fold
from minisparse.kernels.conv.shifted import fill_shifted, shifted_places
from minisparse.kernels.conv.tiles import SHARED_PRODUCTS, Filling, Result, convolve
from minisparse.kernels.conv.windows import Windows, padded, windows_of
from minisparse.kernels.conv.work import CALLS, bytes_moved, columns_type, rows_laid, with_columns
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Finish, Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.wide import common_dtype, wide_dtype
from minisparse.ops import CONV, Attrs


def loops(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = common_dtype(x, w, bias)
    windows = windows_of(x.shape, kernel_shape or w.shape[2:], pads, strides, dilations)
    x = padded(x, windows.pads, wide_dtype(dtype))
    w = w.reshape(w.shape[0], x.shape[1] // group, *windows.kernel).astype(x.dtype)
    result = np.zeros((x.shape[0], w.shape[0], *windows.size), x.dtype)
    steps = windows.strides, windows.dilations
    filters = w.shape[0] // group  # those that see the same channels
    for n, m, *place in np.ndindex(result.shape):
        if bias is not None:
            result[n, m, *place] = bias[m]
        first = m // filters * w.shape[1]
        for c, *tap in np.ndindex(w.shape[1:]):
            seen = (p * s + i * d for p, i, s, d in zip(place, tap, *steps, strict=True))
            result[n, m, *place] += w[m, c, *tap] * x[n, first + c, *seen]
    return result.astype(dtype)


def counts(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Counts:
    """Count what the loops do: nothing is reached through an index."""
    dtype = common_dtype(x, w, bias)
    windows = windows_of(x.shape, kernel_shape or w.shape[2:], pads, strides, dilations)
    places = windows.places
    steps = places * w.size
    seen = 0
    if w.size and not any(windows.pads):  # a margin counts all
        seen = count_seen_by_all(windows) * x.itemsize
    return count_frame(x, bias, windows, w.shape[0], dtype) + Counts(
        flops=2 * steps,
        value_bytes=w.nbytes * (places > 0) + seen,
        index_bytes=0,
        gathered_bytes=0,
        scratch=w.size * wide_dtype(dtype).itemsize,
        calls=4 * steps,
    )


def vectorized(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
    out: Array | None = None,
    finish: Finish | None = None,
) -> Array:
    """Fold what is no image to images, and convolve these."""
    dtype = common_dtype(x, w, bias)
    windows = windows_of(x.shape, kernel_shape or w.shape[2:], pads, strides, dilations)
    w = w.reshape(w.shape[0], x.shape[1] // group, *windows.kernel)
    y = np.empty((x.shape[0], w.shape[0], *windows.size), dtype) if out is None else out
    result = Result(dtype, wide_dtype(dtype), bias, y, finish)
    convolve_dense(x, w, windows, group, result)
    return y


def convolve_dense(x: Array, w: Array, windows: Windows, group: int, result: Result) -> None:
    """Write a convolution over any number of axes to ``result.out``.

    Parameters
    ----------
    x : ndarray, shape (N, C, *spatial)
        The images.
    w : ndarray, shape (M, C / group, *kernel)
        The filters.
    windows : Windows
        How they slide.
    group : int
        How many parts channels and filters have that do not meet.
    result : Result
        Where the result goes, and what is to come of sums.
    """

    def on_images(x: Array, w: Array, windows: Windows, y: Array, finish: Finish | None) -> None:
        part = result._replace(out=y, finish=finish)
        if w.shape[0] == group == x.shape[1]:  # of several filters a channel, columns are faster
            convolve_depthwise(x, w[:, 0], windows, part, y)
        else:
            _convolve(x, w, windows, group, part)

    assert result.out is not None
    fold(on_images, Folded(x, w, windows, result.out, result.finish))


def _convolve(x: Array, w: Array, windows: Windows, group: int, result: Result) -> None:
    """Lay out the columns of a tile of places, and multiply once for all groups."""
    layout = layout_of(None, windows)
    filters, weights = w.shape[0], layout.rows // group
    matrix = w.reshape(group, filters // group, weights).astype(result.wide, copy=False)

    def fill_columns(view: Array, sums: Array) -> None:
        columns = lay_out(view, layout).reshape(group, weights, sums.shape[1])
        # Rows may lie apart in memory, and a matrix of them has no view with groups.
        if group == 1:
            np.matmul(matrix[0], columns[0], out=sums)
        else:
            sums[...] = np.matmul(matrix, columns).reshape(sums.shape)

    effort = filters * weights + LAY / MULTIPLY * layout.rows
    places = tile_places(layout.rows + filters)
    fill: Callable[[Array, Array], None] = fill_columns
    if group == 1 and shifting_pays(filters, weights, windows):
        fill, places = fill_shifted(matrix[0], windows), shifted_places(filters, weights, windows)
    filling = Filling(fill, filters, None, places, effort, SHARED_PRODUCTS)
    convolve(x, windows, filling, result)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of the product, and of laying out its columns; of channels alone, passes."""
    w, columns = columns_type(types, attrs)
    group = 1 if attrs is None else attrs["group"]
    flops = 2.0 * w.size * columns.dims[1] / group
    if w.dims[0] == group == types[0].dims[1]:
        moved = bytes_moved(types[0], types[1])
        gathered = 2.0 * types[0].size
        return Work(flops, moved, gathered, CALLS, unit="elementwise", way="channels")
    product = Work(flops, bytes_moved(types[0], types[1]), calls=1, way="dense")
    return with_columns(product, types, attrs, rows_laid(w.dims[1], types, attrs))


CONV_DENSE = Kernel(
    CONV,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, fuses=True, device=by_meaning(CONV)),
    counts=counts,
)
