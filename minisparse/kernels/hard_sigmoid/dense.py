"""``y = max(0, min(1, alpha * x + beta))`` element by element."""

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.pieces import in_pieces
from minisparse.ops.rectifiers import HARD_SIGMOID


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def vectorized(x: Array, *, alpha: float, beta: float, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""

    def hard_sigmoid(piece: Array, result: Array) -> None:
        xp, number = namespace(piece), piece.dtype.type
        xp.multiply(piece, number(alpha), out=result)
        result += number(beta)
        xp.clip(result, number(0), number(1), out=result)

    return in_pieces(hard_sigmoid, x, out)


HARD_SIGMOID_DENSE = Kernel(
    HARD_SIGMOID,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True),
)
