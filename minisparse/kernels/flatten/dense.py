"""Any array as a matrix: the axes before ``axis`` become its rows, the others its columns."""

import math

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import FLATTEN


def bytes_moved(x: TensorType) -> int:
    """Count nothing: where x is contiguous only its shape changes."""
    return 0


def vectorized(x: Array, axis: int) -> Array:
    """Return a view where x is contiguous, else a copy."""
    axis += x.ndim if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


FLATTEN_DENSE = Kernel(FLATTEN, None, bytes_moved, vectorized=Level(vectorized))
