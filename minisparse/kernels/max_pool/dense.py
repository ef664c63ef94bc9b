"""``Y[n, c, *p] = max_{*i} X[n, c, *(p * s + i * d - b)]``, NaN wins.

The windows are never laid out: see :mod:`minisparse.kernels.max_pool.separable`.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.max_pool.separable import Combining, combine_windows
from minisparse.kernels.meaning import by_meaning
from minisparse.ops import MAX_POOL
from minisparse.ops.max_pool import lowest
from minisparse.ops.windows import numbers, places, sliding


def bytes_moved(x: TensorType) -> int:
    """Count X once; Y is smaller by the strides, which a type does not tell."""
    return x.size * x.itemsize


def vectorized(
    x: Array,
    kernel_shape: Sequence[int],
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    dilations: Sequence[int] | None,
    ceil_mode: int,
    out: Array | None = None,
) -> Array:
    """Take the maximum along one spatial axis after the other."""
    attrs = {"strides": strides, "pads": pads, "dilations": dilations}
    slide = sliding(attrs, kernel_shape)
    counts = numbers(places(x.shape[2:], slide, bool(ceil_mode)))
    y = np.empty((*x.shape[:2], *counts), x.dtype) if out is None else out
    return combine_windows(x, slide, Combining(np.maximum, lowest(x.dtype), x.dtype), y)


MAX_POOL_DENSE = Kernel(
    MAX_POOL,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(MAX_POOL)),
)
