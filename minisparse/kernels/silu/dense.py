"""``y = x / (1 + exp(-x))`` element by element: the sigmoid linear unit, also called swish.

Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units", arXiv:1702.03118.
"""

import math

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.pieces import in_pieces
from minisparse.ops import SILU


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def loops(x: Array) -> Array:
    """Follow the formula, one element at a time."""
    y = np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        v = float(x[i])
        if v >= 0:
            y[i] = v / (1 + math.exp(-v))
        else:
            y[i] = v * (math.exp(v) / (1 + math.exp(v)))
    return y


def counts(x: Array) -> Counts:
    """Count what the loops do: exp twice where x is negative or NaN."""
    flops = 5 * x.size - 2 * int(np.count_nonzero(x >= 0))
    return Counts(flops, 2 * x.nbytes, 0, 0, 0, calls=2 * x.size)


def vectorized(x: Array, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""
    return in_pieces(_silu, x, out)


def _silu(x: Array, out: Array) -> None:
    over_exponential(x, namespace(x).negative(x), out)


def over_exponential(x: Array, t: Array, out: Array) -> None:
    """Write ``x / (1 + exp(t))``, and over t: 0 where exp overflows, since x is far smaller."""
    namespace(x).exp(t, out=t)
    t += 1
    namespace(x).divide(x, t, out=out)


SILU_DENSE = Kernel(
    SILU,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
