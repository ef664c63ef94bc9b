"""From a plain array to any format: one pass over its elements."""

import math

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import Layout, TensorType
from minisparse.formats import Matrix, from_dense
from minisparse.kernels.kernel import Kernel, Level
from minisparse.ops import CONVERT


def bytes_moved(x: TensorType) -> int:
    """Count every element read once; what is written depends on how many are zero."""
    return x.size * x.itemsize


def vectorized(x: Array | Matrix, format: str, block: tuple[int, int] | None) -> Array | Matrix:
    """Return ``x``, flattened to a matrix, in the given format.

    Raises
    ------
    FormatError
        If the format cannot hold it: a group of n:m with more than n nonzeros.
    """
    if isinstance(x, Matrix):
        return x.to_dense() if format == "dense" else x.to(Layout(format, block))
    matrix = x.reshape(x.shape[0], math.prod(x.shape[1:]))
    return matrix.copy() if format == "dense" else from_dense(matrix, Layout(format, block))


CONVERT_DENSE = Kernel(CONVERT, None, bytes_moved, vectorized=Level(vectorized))
