"""``y = log(1 + exp(x))`` element by element, as ``max(x, 0) + log(1 + exp(-abs(x)))``.

In that form nothing overflows, and small results keep their digits.
"""

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.pieces import in_pieces
from minisparse.ops.elementwise import SOFTPLUS


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def vectorized(x: Array, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""
    return in_pieces(_softplus, x, out)


def _softplus(x: Array, out: Array) -> None:
    xp = namespace(x)
    small = xp.abs(x)
    xp.negative(small, out=small)
    xp.exp(small, out=small)
    xp.log1p(small, out=small)
    xp.maximum(x, x.dtype.type(0), out=out)
    out += small


SOFTPLUS_DENSE = Kernel(
    SOFTPLUS,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True),
)
