"""``y = saturate(round(x / scale) + zero_point)``, in place from the quotient on.

What is rounded and shifted has at most 17 bits or saturates, so that float32 loses nothing of it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.rows import AT_ONCE
from minisparse.kernels.threads import share, usable_threads
from minisparse.ops.quantization import QUANTIZE_LINEAR, spread


def bytes_moved(x: TensorType, scale: TensorType, zero_point: TensorType | None = None) -> int:
    """Count x and the scales once, and a byte for each result."""
    return x.size * x.itemsize + scale.size * scale.itemsize + x.size


def vectorized(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    axis: int,
    dtype: str,
    block_size: int,
) -> Array:
    """Compute some of the first axis after another; less usual dtypes as they are meant."""
    operands = (x, scale) if zero_point is None else (x, scale, zero_point)
    if x.dtype != scale.dtype or accumulator(x.dtype) != x.dtype or not x.ndim:
        attrs = {"axis": axis, "dtype": dtype, "block_size": block_size}
        return asarray(QUANTIZE_LINEAR.dense(operands, attrs))
    held: DType = np.dtype(dtype if zero_point is None else zero_point.dtype)
    limits = np.iinfo(held)
    factor, shift = (spread(o, x.shape, axis, block_size) for o in (*operands, np.zeros(()))[1:3])
    result = np.empty(x.shape, held)

    def one(part: slice) -> None:
        y = x[part] / along(factor, part, x)
        np.rint(y, out=y)
        if np.isnan(y.min(initial=np.inf)):
            y[np.isnan(y)] = 0
        y += along(shift, part, x).astype(y.dtype, copy=False)
        result[part] = np.clip(y, int(limits.min), int(limits.max), out=y)

    in_parts(one, x)
    return result


def along(values: Array, part: slice, x: Array) -> Array:
    """Return what of scales or zero points meets a part of X's first axis."""
    return values[part] if values.ndim == x.ndim and len(values) == len(x) else values


def in_parts(one: Callable[[slice], Any], x: Array) -> None:
    """Call a function on parts of X's first axis, on two threads where there is enough to do."""
    step = max(1, len(x) * AT_ONCE // max(x.size, 1))
    parts = [slice(i, i + step) for i in range(0, len(x), step)]
    share(one, parts, usable_threads() if x.size > 2 * AT_ONCE else 1)


QUANTIZE_LINEAR_DENSE = Kernel(
    QUANTIZE_LINEAR,
    None,
    bytes_moved,
    vectorized=Level(vectorized, device=by_meaning(QUANTIZE_LINEAR)),
)
