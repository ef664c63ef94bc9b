"""``y = alpha * (exp(x) - 1)`` where x is negative, else x, element by element.

As ``max(x, 0) + alpha * (exp(min(x, 0)) - 1)``. Clevert, Unterthiner and Hochreiter, "Fast and
accurate deep network learning by exponential linear units (ELUs)", arXiv:1511.07289.
"""

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.pieces import in_pieces
from minisparse.ops.rectifiers import ELU


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def vectorized(x: Array, *, alpha: float, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""

    def elu(piece: Array, result: Array) -> None:
        xp, number = namespace(piece), piece.dtype.type
        below = xp.minimum(piece, number(0))
        xp.exp(below, out=below)
        below -= 1
        below *= number(alpha)
        xp.maximum(piece, number(0), out=result)
        result += below

    return in_pieces(elu, x, out)


ELU_DENSE = Kernel(
    ELU,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True),
)
