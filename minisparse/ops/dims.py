"""Arithmetic on dimensions that may still be names, and the sums of products that many ops need."""

from collections.abc import Iterable, Sequence

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.errors import ShapeError
from minisparse.core.tensor_type import Dim, TensorType


def product(dims: Iterable[Dim], where: str) -> Dim:
    """Multiply dimensions; a name survives where everything beside it is 1.

    Raises
    ------
    ShapeError
        If the product would need the value of a name.

    Examples
    --------
    >>> product((32, 2, 2), "flatten"), product(("batch", 1), "flatten")
    (128, 'batch')
    """
    dims = tuple(dims)
    names = [d for d in dims if isinstance(d, str)]
    number = 1
    for d in dims:
        number *= d if isinstance(d, int) else 1
    if number == 0 or not names:
        return number
    if number == 1 and len(names) == 1:
        return names[0]
    raise ShapeError(
        f"{where}: cannot multiply {' * '.join(map(str, dims))} while {names[0]} is only a name; "
        f"bind it first: graph.bind({names[0]}=1)"
    )


def window_count(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """Return how many windows fit, by the formula of ONNX's Conv and MaxPool.

    ``(size + padding - dilation * (kernel - 1) - 1) // stride + 1``, padding of both sides summed.
    """
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def broadcast(shapes: Sequence[tuple[Dim, ...]]) -> tuple[Dim, ...] | None:
    """Return the shape to which all broadcast as in NumPy, or None where they do not.

    A name broadcasts with itself and with 1 only.

    Examples
    --------
    >>> broadcast([("batch", 1, 3), (4, 1)]), broadcast([("batch",), (2,)])
    (('batch', 4, 3), None)
    """
    ndim = max((len(shape) for shape in shapes), default=0)
    found: list[Dim] = [1] * ndim
    for shape in shapes:
        for i, d in enumerate(shape, start=ndim - len(shape)):
            if found[i] == 1:
                found[i] = d
            elif d not in (1, found[i]):
                return None
    return tuple(found)


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
