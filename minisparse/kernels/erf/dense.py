"""``y = erf(x)`` element by element, the error function.

NumPy has none; :mod:`minisparse.kernels.normal` says by what it is approximated, and how well.
"""

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.normal import error_function
from minisparse.kernels.pieces import in_pieces
from minisparse.ops.elementwise import ERF


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def vectorized(x: Array, out: Array | None = None) -> Array:
    """Compute piece by piece, in float32 at least."""
    return in_pieces(error_function, x, out)


ERF_DENSE = Kernel(
    ERF,
    None,
    bytes_moved,
    vectorized=Level(vectorized, takes_out=True),
)
