"""``Y = (X - mean) * (scale / sqrt(var + epsilon)) + bias``, channel by channel.

What depends on the channel alone is divided once a channel instead of once an element.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import BATCH_NORMALIZATION


def bytes_moved(
    x: TensorType, scale: TensorType, bias: TensorType, mean: TensorType, var: TensorType
) -> int:
    """Count X and Y once each, and the four vectors."""
    return 2 * x.size * x.itemsize + 4 * scale.size * scale.itemsize


def vectorized(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    var: Array,
    epsilon: float,
    out: Array | None = None,
) -> Array:
    """Subtract, multiply and add, in place after the first."""
    dtype = np.result_type(x, scale, bias, mean, var)
    shape = (-1,) + (1,) * (x.ndim - 2)
    factor = (scale / np.sqrt(var + epsilon)).astype(dtype)
    y = np.subtract(x, mean.reshape(shape), out=out, dtype=dtype)
    y *= factor.reshape(shape)
    y += bias.reshape(shape)
    return y


BATCH_NORMALIZATION_DENSE = Kernel(
    BATCH_NORMALIZATION, None, bytes_moved, vectorized=Level(vectorized, takes_out=True)
)
