"""How dimensions meet, known or not, and the sums of products that many ops need."""

from collections.abc import Iterable, Sequence

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.symbolic import UNKNOWN, Dim, is_unknown
from minisparse.core.tensor_type import TensorType


def window_count(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """Return how many windows fit, by the formula of ONNX's Conv and MaxPool.

    ``(size + padding - dilation * (kernel - 1) - 1) // stride + 1``, padding of both sides summed.
    """
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def broadcast(shapes: Sequence[tuple[Dim, ...]]) -> tuple[Dim, ...] | None:
    """Return the shape to which all broadcast as in NumPy, or None where they do not.

    A text broadcasts with itself and with 1 only; a size of which nothing is known with any.

    Examples
    --------
    >>> broadcast([("batch", 1, 3), (4, 1)]), broadcast([("batch",), (2,)])
    (('batch', 4, 3), None)
    """
    ndim = max((len(shape) for shape in shapes), default=0)
    found: list[Dim] = [1] * ndim
    for shape in shapes:
        for i, d in enumerate(shape, start=ndim - len(shape)):
            met = _meet(found[i], d)
            if met is None:
                return None
            found[i] = met
    return tuple(found)


def _meet(a: Dim, b: Dim) -> Dim | None:
    """Return to what two dimensions broadcast, None where they never do."""
    if a == 1 or a == b:
        return b
    if b == 1:
        return a
    if is_unknown(a) or is_unknown(b):
        sizes = [d for d in (a, b) if isinstance(d, int)]
        return sizes[0] if sizes else UNKNOWN
    return None


def may_equal(a: Dim, b: Dim) -> bool:
    """Tell whether two dimensions are equal, or may turn out so because one is unknown."""
    return a == b or is_unknown(a) or is_unknown(b)


def result_dtype(types: Iterable[TensorType]) -> DType:
    """Return the dtype that operands of these types give together (NumPy's promotion)."""
    return np.result_type(*(t.dtype for t in types))


def matmul(a: Array, b: Array) -> Array:
    """Return ``a @ b`` in the result dtype of the two, summed in the accumulator's dtype.

    The plain meaning of every op that sums products: float16 is summed in float32 and rounded
    once, 8-bit integers wrap once, bool is "or of ands".

    Examples
    --------
    >>> matmul(np.full((1, 2), 100, np.int8), np.ones((2, 1), np.int8))
    array([[-56]], dtype=int8)
    """
    dtype = np.result_type(a, b)
    wide = accumulator(dtype)
    result: Array = np.matmul(a.astype(wide), b.astype(wide)).astype(dtype)
    return result
