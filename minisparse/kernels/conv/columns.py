"""Images as columns: the windows under a filter side by side, so that conv is a matrix product.

Column (n, y, x) lists what the filter sees at that place, in the order of its weights (c, i, j).
An element is copied as often as windows hold it, up to kh * kw times: the price for one large
product (im2col; Chellapilla, Puri, Simard, "High performance convolutional neural networks for
document processing", 2006).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Finish, Work
from minisparse.ops import CONV, Attrs
from minisparse.ops.dims import result_dtype, window_count


def padded(x: Array, pads: Sequence[int], dtype: DType) -> Array:
    """Return the images with a margin of zeros, in ``dtype``."""
    top, left, bottom, right = pads
    wider = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right))) if any(pads) else x
    return wider.astype(dtype, copy=False)


def places(
    shape: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, int]:
    """Return how many windows fit below and beside each other into a padded image."""
    height = window_count(shape[2], kernel[0], strides[0], dilations[0], 0)
    return height, window_count(shape[3], kernel[1], strides[1], dilations[1], 0)


def to_columns(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Array:
    """Return ``[C * kh * kw, N * height * width]`` of padded images ``[N, C, H, W]``."""
    (kh, kw), (sh, sw), (dh, dw) = kernel, strides, dilations
    images, channels = x.shape[:2]
    height, width = places(x.shape, kernel, strides, dilations)
    columns = np.empty((channels, kh, kw, images, height, width), x.dtype)
    by_channel = x.transpose(1, 0, 2, 3)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (height - 1) * sh + 1, sh)
            seen = by_channel[:, :, rows, j * dw : j * dw + (width - 1) * sw + 1 : sw]
            columns[:, i, j] = seen
    return columns.reshape(channels * kh * kw, images * height * width)


def to_images(y: Array, images: int, size: tuple[int, int], out: Array | None) -> Array:
    """Return ``[N, M, height, width]`` of a product ``[M, N * height * width]``."""
    by_filter = y.reshape(y.shape[0], images, *size).transpose(1, 0, 2, 3)
    if out is None:
        return np.ascontiguousarray(by_filter)
    out[...] = by_filter
    return out


def adding(bias: Array | None) -> Finish | None:
    """Return a finish that adds each filter's bias to its row."""
    if bias is None:
        return None
    column = bias[:, None]

    def add(tile: Array, index: tuple[slice, ...]) -> None:
        tile += column[index[0]]

    return add


def finish_images(y: Array, finish: Finish | None) -> Array:
    """Finish all images at once, in place."""
    if finish is not None:
        finish(y, tuple(slice(0, length) for length in y.shape))
    return y


def columns_type(
    types: tuple[TensorType, ...], attrs: Attrs | None
) -> tuple[TensorType, TensorType]:
    """Return the types of the product that a convolution becomes: W's and that of the columns.

    Where the attributes are not known, there are as many places as the images have.
    """
    x, w = types[:2]
    n, _, height, width = x.dims
    weights = w.size // max(w.dims[0], 1)
    if attrs is not None:
        (y,) = CONV.infer(types, attrs)
        height, width = y.dims[2:]
        weights = weights * attrs["group"]
    matrix = replace(w, shape=(w.dims[0], weights))
    return matrix, TensorType((weights, n * height * width), result_dtype((x, w)))


def with_columns(work: Work, types: tuple[TensorType, ...], attrs: Attrs | None) -> Work:
    """Return the work of a product together with what laying out its columns costs."""
    _, columns = columns_type(types, attrs)
    places = columns.dims[0] // max(types[0].dims[1], 1)  # in a window: one copy for each
    moved = 2 * columns.size * columns.itemsize
    return replace(work, bytes=work.bytes + moved, calls=work.calls + 4 + places)


def bytes_moved(x: TensorType, w: TensorType, bias: TensorType | None = None) -> int:
    """Count X, W and its indices once each; Y is as large as X where it has as many channels."""
    filters, channels = w.dims[0], max(x.dims[1], 1)
    result = x.size // channels * filters
    indices = 0 if w.stored is None else w.nnz * w.index_itemsize
    return x.size * x.itemsize + w.nnz * w.itemsize + indices + result * x.itemsize
