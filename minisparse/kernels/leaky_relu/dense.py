"""``y = alpha * x`` where x is negative, else x, element by element.

As ``max(x, 0) + alpha * min(x, 0)``, since to choose between two arrays is slow where the signs are
random; where alpha lies between 0 and 1, as it mostly does, as ``max(x, alpha * x)``.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.pieces import in_pieces
from minisparse.ops.rectifiers import LEAKY_RELU


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def loops(x: Array, *, alpha: float) -> Array:
    """Follow the formula, one element at a time."""
    y, slope = np.empty(x.shape, x.dtype), float(accumulator(x.dtype).type(alpha))
    for i in np.ndindex(x.shape):
        v = float(x[i])
        if v < 0:
            v = slope * v
        y[i] = v
    return y


def counts(x: Array, *, alpha: float) -> Counts:
    """Count what the loops do: a product where x is negative."""
    return Counts(int(np.count_nonzero(x < 0)), 2 * x.nbytes, 0, 0, 0, calls=2 * x.size)


def vectorized(x: Array, *, alpha: float, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""

    def leaky_relu(piece: Array, result: Array) -> None:
        xp, number = namespace(piece), piece.dtype.type
        if 0 < number(alpha) <= 1:
            xp.maximum(piece, piece * number(alpha), out=result)
            return
        below = xp.minimum(piece, number(0))
        below *= number(alpha)
        xp.maximum(piece, number(0), out=result)
        result += below

    return in_pieces(leaky_relu, x, out)


LEAKY_RELU_DENSE = Kernel(
    LEAKY_RELU,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True),
    counts=counts,
)
