"""``y = (x - zero_point) * scale``: differences of 8 and 16 bits are exact in float32."""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.quantize_linear.dense import along, in_parts
from minisparse.ops.quantization import DEQUANTIZE_LINEAR, spread


def bytes_moved(x: TensorType, scale: TensorType, zero_point: TensorType | None = None) -> int:
    """Count x and the scales once, and the result in scale's dtype."""
    return x.size * (x.itemsize + scale.itemsize) + scale.size * scale.itemsize


def vectorized(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    axis: int,
    block_size: int,
    out: Array | None = None,
) -> Array:
    """Compute some of the first axis after another, in place from the difference on."""
    operands = (x, scale) if zero_point is None else (x, scale, zero_point)
    dtype = scale.dtype
    y = np.empty(x.shape, dtype) if out is None else out
    if x.dtype.itemsize > 2 or accumulator(dtype) != dtype or not x.ndim:
        y[...] = DEQUANTIZE_LINEAR.dense(operands, {"axis": axis, "block_size": block_size})
        return y
    factor, shift = (
        spread(o, x.shape, axis, block_size) for o in (*operands, np.zeros((), dtype))[1:3]
    )

    def one(part: slice) -> None:
        np.subtract(x[part], along(shift, part, x), out=y[part], dtype=dtype, casting="unsafe")
        np.multiply(y[part], along(factor, part, x), out=y[part])

    in_parts(one, x)
    return y


DEQUANTIZE_LINEAR_DENSE = Kernel(
    DEQUANTIZE_LINEAR,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(DEQUANTIZE_LINEAR)),
)
