"""``a * b`` element by element, broadcasting as ONNX and NumPy do."""

import math

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import MULTIPLY


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count a, b and the product once each."""
    (c,) = MULTIPLY.infer((a, b))
    return sum(t.size * t.itemsize for t in (a, b, c))


def loops(a: Array, b: Array) -> Array:
    """Follow the formula, one element at a time."""
    dtype = np.result_type(a, b)
    a, b = np.broadcast_arrays(a.astype(dtype), b.astype(dtype))
    c = np.empty(a.shape, dtype)
    for i in np.ndindex(c.shape):
        c[i] = a[i] * b[i]
    return c


def counts(a: Array, b: Array) -> Counts:
    """Count what the loops do: a and b are widened, then broadcast as views."""
    dtype, size = np.result_type(a, b), math.prod(np.broadcast_shapes(a.shape, b.shape))
    return Counts(
        flops=size,
        value_bytes=(a.nbytes + b.nbytes) * (size > 0) + size * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=(a.size + b.size) * dtype.itemsize,
        calls=3 * size,
    )


def vectorized(a: Array, b: Array, out: Array | None = None) -> Array:
    """Multiply in one call."""
    return asarray(np.multiply(a, b, out=out))


MULTIPLY_DENSE = Kernel(
    MULTIPLY,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
