"""``y = x * max(0, min(1, x / 6 + 1 / 2))`` element by element.

Howard et al., "Searching for MobileNetV3", arXiv:1905.02244.
"""

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.pieces import in_pieces
from minisparse.ops.rectifiers import HARD_SWISH


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def vectorized(x: Array, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""
    return in_pieces(_hard_swish, x, out)


def _hard_swish(x: Array, out: Array) -> None:
    xp, number = namespace(x), x.dtype.type
    share = x * number(1 / 6)
    share += number(0.5)
    xp.clip(share, number(0), number(1), out=share)
    xp.multiply(x, share, out=out)


HARD_SWISH_DENSE = Kernel(
    HARD_SWISH,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True),
)
