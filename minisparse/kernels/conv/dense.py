"""Convolution with dense weights: ``Y[n, m, y, x] = sum_{c, i, j} W[m, c, i, j] * X[n, c, ...]``.

The windows become columns, and the filters one matrix: see :mod:`minisparse.kernels.conv.columns`.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.conv.columns import (
    bytes_moved,
    columns_type,
    finish_images,
    padded,
    places,
    to_columns,
    to_images,
    with_columns,
)
from minisparse.kernels.kernel import Finish, Kernel, Level, Work
from minisparse.kernels.wide import wide_dtype
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
    dtype = np.result_type(x, w) if bias is None else np.result_type(x, w, bias)
    kernel = tuple(kernel_shape or w.shape[2:])
    x = padded(x, pads, wide_dtype(dtype))
    w = w.reshape(w.shape[0], x.shape[1] // group, *kernel).astype(x.dtype)
    height, width = places(x.shape, kernel, strides, dilations)
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
    """Lay the windows out as columns, and multiply once per group."""
    dtype = np.result_type(x, w) if bias is None else np.result_type(x, w, bias)
    kernel = tuple(kernel_shape or w.shape[2:])
    images = x.shape[0]
    x = padded(x, pads, wide_dtype(dtype))
    columns = to_columns(x, kernel, strides, dilations)
    filters, weights = w.shape[0], columns.shape[0] // group
    matrices = w.reshape(group, filters // group, weights).astype(x.dtype, copy=False)
    y = np.matmul(matrices, columns.reshape(group, weights, columns.shape[1]))
    y = y.reshape(filters, columns.shape[1])
    if bias is not None:
        y += bias[:, None]
    y = y.astype(dtype, copy=False)
    y = to_images(y, images, places(x.shape, kernel, strides, dilations), out)
    return finish_images(y, finish)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of the product, and of laying out its columns."""
    w, columns = columns_type(types, attrs)
    group = 1 if attrs is None else attrs["group"]
    flops = 2.0 * w.size * columns.dims[1] / group
    product = Work(flops, bytes_moved(types[0], types[1]), calls=4)
    return with_columns(product, types, attrs)


CONV_DENSE = Kernel(
    CONV, None, bytes_moved, loops=loops, vectorized=Level(vectorized, work=work, fuses=True)
)
