"""``Y[n, c, y, x] = max_{i, j} X[n, c, y*s + i - p, x*s + j - p]``, NaN wins.

The windows are never laid out: for each place (i, j) in the window, the elements there of all
windows at once are a strided view of the image, and Y is the running maximum of these views.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import MAX_POOL
from minisparse.ops.dims import window_count
from minisparse.ops.max_pool import lowest


def bytes_moved(x: TensorType) -> int:
    """Count X once; Y is smaller by the strides, which a type does not tell."""
    return x.size * x.itemsize


def vectorized(
    x: Array,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    out: Array | None = None,
) -> Array:
    """Take the running maximum over the places in the window."""
    (kh, kw), (sh, sw), (top, left, bottom, right) = kernel_shape, strides, pads
    height = window_count(x.shape[2], kh, sh, 1, top + bottom)
    width = window_count(x.shape[3], kw, sw, 1, left + right)
    if any(pads):
        margins = ((0, 0), (0, 0), (top, bottom), (left, right))
        x = np.pad(x, margins, constant_values=lowest(x.dtype))
    y = np.empty((*x.shape[:2], height, width), x.dtype) if out is None else out
    for i in range(kh):
        for j in range(kw):
            rows = slice(i, i + (height - 1) * sh + 1, sh)
            seen = x[:, :, rows, j : j + (width - 1) * sw + 1 : sw]
            if i == j == 0:
                y[...] = seen
            else:
                np.maximum(y, seen, out=y)
    return y


MAX_POOL_DENSE = Kernel(MAX_POOL, None, bytes_moved, vectorized=Level(vectorized, takes_out=True))
