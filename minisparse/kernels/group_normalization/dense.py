"""``y = (x - mean) / sqrt(var + epsilon) * scale[c] + bias[c]``, mean and variance of a group.

A group of channels of one image is a row; an instance is a group of one channel.
"""

from math import prod

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.layer_normalization.dense import normalize
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.rows import in_rows
from minisparse.ops.normalizations import GROUP_NORMALIZATION, INSTANCE_NORMALIZATION


def bytes_moved(x: TensorType, scale: TensorType, bias: TensorType) -> int:
    """Count x and y once each, scale and bias."""
    return 2 * x.size * x.itemsize + scale.size * scale.itemsize + bias.size * bias.itemsize


def group_normalization(
    x: Array,
    scale: Array,
    bias: Array,
    *,
    num_groups: int,
    epsilon: float,
    out: Array | None = None,
) -> Array:
    """Compute some groups after another."""
    dtype = np.result_type(x, scale, bias)
    (n, c), inside = x.shape[:2], prod(x.shape[2:])
    shared = c // max(num_groups, 1)
    factors = [
        np.tile(o.astype(accumulator(dtype)).reshape(num_groups, shared, 1), (n, 1, 1))
        for o in (scale, bias)
    ]

    def write(piece: Array, y: Array, rows: slice) -> None:
        normalize(piece, y, epsilon, True)
        channels = y.reshape(len(y), shared, inside)
        channels *= factors[0][rows]
        channels += factors[1][rows]

    return in_rows(write, x, (n * num_groups, shared * inside, 1), dtype, out)


def instance_normalization(
    x: Array, scale: Array, bias: Array, *, epsilon: float, out: Array | None = None
) -> Array:
    """Compute some channels after another."""
    return group_normalization(x, scale, bias, num_groups=x.shape[1], epsilon=epsilon, out=out)


GROUP_NORMALIZATION_DENSE = Kernel(
    GROUP_NORMALIZATION,
    None,
    bytes_moved,
    vectorized=Level(group_normalization, takes_out=True, device=by_meaning(GROUP_NORMALIZATION)),
)
INSTANCE_NORMALIZATION_DENSE = Kernel(
    INSTANCE_NORMALIZATION,
    None,
    bytes_moved,
    vectorized=Level(
        instance_normalization, takes_out=True, device=by_meaning(INSTANCE_NORMALIZATION)
    ),
)
