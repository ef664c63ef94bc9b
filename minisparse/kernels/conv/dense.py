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
from minisparse.kernels.conv.counts import count_frame, count_seen
from minisparse.kernels.conv.shifted import fill_shifted, shifted_places
from minisparse.kernels.conv.tiles import SHARED_PRODUCTS, Filling, Result, convolve
from minisparse.kernels.conv.windows import Windows, padded
from minisparse.kernels.conv.work import bytes_moved, columns_type, rows_laid, with_columns
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Finish, Kernel, Level, Work
from minisparse.kernels.wide import common_dtype, wide_dtype
from minisparse.ops import CONV, Attrs


def loops(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = common_dtype(x, w, bias)
    kernel = tuple(kernel_shape or w.shape[2:])
    height, width = Windows(x.shape, kernel, pads, strides, dilations).size
    x = padded(x, pads, wide_dtype(dtype))
    w = w.reshape(w.shape[0], x.shape[1] // group, *kernel).astype(x.dtype)
    result = np.zeros((x.shape[0], w.shape[0], height, width), x.dtype)
    filters = w.shape[0] // group  # those that see the same channels
    for n, m, row, column in np.ndindex(result.shape):
        if bias is not None:
            result[n, m, row, column] = bias[m]
        first = m // filters * w.shape[1]
        for c, i, j in np.ndindex(w.shape[1:]):
            seen = row * strides[0] + i * dilations[0], column * strides[1] + j * dilations[1]
            result[n, m, row, column] += w[m, c, i, j] * x[n, first + c, *seen]
    return result.astype(dtype)


def counts(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int] | None,
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Counts:
    """Count what the loops do: nothing is reached through an index."""
    dtype = common_dtype(x, w, bias)
    kh, kw = kernel_shape or w.shape[2:]
    windows = Windows(x.shape, (kh, kw), pads, strides, dilations)
    places = windows.box.places
    steps = places * w.size
    every = range(x.shape[1] * windows.taps if w.size else 0)
    seen = 0 if any(pads) else count_seen(windows, every) * x.itemsize  # a margin counts all
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
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
    out: Array | None = None,
    finish: Finish | None = None,
) -> Array:
    """Lay out the columns of a tile of places, and multiply once for all groups."""
    dtype = common_dtype(x, w, bias)
    kh, kw = kernel_shape or w.shape[2:]
    windows = Windows(x.shape, (kh, kw), pads, strides, dilations)
    layout = layout_of(None, windows)
    filters, weights = w.shape[0], layout.rows // group
    wide = wide_dtype(dtype)
    matrix = w.reshape(group, filters // group, weights).astype(wide, copy=False)

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
    return convolve(x, windows, filling, Result(dtype, wide, bias, out, finish))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of the product, and of laying out its columns."""
    w, columns = columns_type(types, attrs)
    group = 1 if attrs is None else attrs["group"]
    flops = 2.0 * w.size * columns.dims[1] / group
    product = Work(flops, bytes_moved(types[0], types[1]), calls=1)
    return with_columns(product, types, attrs, rows_laid(w.dims[1], types, attrs))


CONV_DENSE = Kernel(
    CONV,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, fuses=True),
    counts=counts,
)
