"""``y[m, n] = c[m, n] + bias[m]``: one value a row, because features are rows here."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import ADD_BIAS
from minisparse.ops.arithmetic import by_rows


def bytes_moved(c: TensorType, bias: TensorType) -> int:
    """Count c and y once each, and the bias."""
    return 2 * c.size * c.itemsize + bias.size * bias.itemsize


def loops(c: Array, bias: Array) -> Array:
    """Follow the formula, one element at a time."""
    dtype = np.result_type(c, bias)
    c, bias = c.astype(dtype), bias.astype(dtype)
    y = np.empty(c.shape, dtype)
    for i in np.ndindex(c.shape):
        y[i] = c[i] + bias[i[0]]
    return y


def counts(c: Array, bias: Array) -> Counts:
    """Count what the loops do: c and the bias are widened first."""
    dtype = np.result_type(c, bias)
    return Counts(
        flops=c.size,
        value_bytes=c.nbytes + bias.nbytes * (c.size > 0) + c.size * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=(c.size + bias.size) * dtype.itemsize,
        calls=3 * c.size,
    )


def vectorized(c: Array, bias: Array, out: Array | None = None) -> Array:
    """Add in one call."""
    return asarray(np.add(c, by_rows(bias, c.ndim), out=out))


ADD_BIAS_DENSE = Kernel(
    ADD_BIAS,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
