"""``y = max(x, 0)`` element by element; NaN goes through, as NumPy's maximum lets it."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import RELU


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def loops(x: Array) -> Array:
    """Follow the formula, one comparison at a time; of NaN and 0, max keeps its first."""
    y, zero = np.empty(x.shape, x.dtype), x.dtype.type(0)
    for i in np.ndindex(x.shape):
        y[i] = max(x[i], zero)
    return y


def counts(x: Array) -> Counts:
    """Count what the loops do: each element is read once and written once."""
    return Counts(0, 2 * x.nbytes, 0, 0, 0, calls=2 * x.size)


def vectorized(x: Array, out: Array | None = None) -> Array:
    """Compare all elements with zero in one call."""
    return asarray(np.maximum(x, x.dtype.type(0), out=out))


RELU_DENSE = Kernel(
    RELU,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
