"""``y = 1 / (1 + exp(-x))`` element by element, the logistic function."""

import math

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.pieces import in_pieces
from minisparse.ops.elementwise import SIGMOID


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def loops(x: Array) -> Array:
    """Follow the formula, one element at a time; exp is never asked for what overflows."""
    y = np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        v = float(x[i])
        if v >= 0:
            y[i] = 1 / (1 + math.exp(-v))
        else:
            y[i] = math.exp(v) / (1 + math.exp(v))
    return y


def counts(x: Array) -> Counts:
    """Count what the loops do: exp twice where x is negative or NaN."""
    flops = 4 * x.size - int(np.count_nonzero(x >= 0))
    return Counts(flops, 2 * x.nbytes, 0, 0, 0, calls=2 * x.size)


def vectorized(x: Array, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least; where exp overflows, the result is 0."""
    return in_pieces(_sigmoid, x, out)


def _sigmoid(x: Array, out: Array) -> None:
    xp = namespace(x)
    xp.negative(x, out=out)
    xp.exp(out, out=out)
    out += 1
    xp.reciprocal(out, out=out)


SIGMOID_DENSE = Kernel(
    SIGMOID,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
