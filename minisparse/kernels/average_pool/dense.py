"""``Y[n, c, *p] = sum_{*i} X[n, c, *(p * s + i * d - b)] / count[*p]``, zeros around X.

Sums are made axis by axis: see :mod:`minisparse.kernels.max_pool.separable`.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.max_pool.separable import Combining, combine_windows
from minisparse.kernels.meaning import by_meaning
from minisparse.ops.average_pool import AVERAGE_POOL, divisor
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
    count_include_pad: int,
    out: Array | None = None,
) -> Array:
    """Sum along one spatial axis after the other, and divide."""
    attrs = {
        "kernel_shape": kernel_shape,
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
    }
    slide = sliding(attrs, kernel_shape)
    counts = numbers(places(x.shape[2:], slide, bool(ceil_mode)))
    y = np.empty((*x.shape[:2], *counts), x.dtype) if out is None else out
    wide = accumulator(x.dtype)
    by = divisor(x.shape[2:], attrs).astype(wide)
    if (by == by.flat[0]).all():
        by = by.flat[0]

    def divide(sums: Array) -> None:
        np.divide(sums, by, out=sums)

    return combine_windows(x, slide, Combining(np.add, 0, wide), y, divide)


AVERAGE_POOL_DENSE = Kernel(
    AVERAGE_POOL,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(AVERAGE_POOL)),
)
