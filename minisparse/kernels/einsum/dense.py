"""Sums of products by an equation: pair after pair, each a product of stacks of matrices.

Of a pair, letters that both have and that are still wanted number the matrices of a stack, letters
that both have and nobody wants any more are summed over, and the others are rows and columns.
In which order pairs are taken, ``numpy.einsum_path`` says.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.matmul.dense import product
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.wide import common_dtype, widen
from minisparse.ops.einsum import EINSUM, Terms, lettered, terms_of
from minisparse.ops.op import Attrs

_Named = tuple[str, Array]
"""An array, and a letter for each of its dimensions."""


def bytes_moved(*inputs: TensorType) -> int:
    """Count the inputs once, and a result as large as the largest of them."""
    read = [t.size * t.itemsize for t in inputs]
    return sum(read) + max(read, default=0)


def vectorized(*inputs: Array, equation: str) -> Array:
    """Multiply pair after pair, in the accumulator's dtype, and round once."""
    dtype = common_dtype(*inputs)
    terms = lettered(terms_of(equation) or Terms((), ""), [x.ndim for x in inputs])
    left = list(zip(terms.inputs, widen(*inputs), strict=True))
    for places in _path(terms, [x for _, x in left]):
        taken = [left.pop(i) for i in sorted(places, reverse=True)]
        while len(taken) > 1:
            first, second, *taken = taken
            wanted = set(terms.output).union(*(term for term, _ in (*left, *taken)))
            taken.append(_multiplied(first, second, wanted))
        left += taken
    ((term, result),) = left
    return np.array(np.einsum(f"{term}->{terms.output}", result), dtype)


def _path(terms: Terms, arrays: Sequence[Array]) -> list[tuple[int, ...]]:
    """Return which are multiplied next, by their places; the product goes to the end."""
    if len(arrays) < 3:
        return [(0, 1)] if len(arrays) == 2 else []
    equation = f"{','.join(terms.inputs)}->{terms.output}"
    path: list[tuple[int, ...]] = np.einsum_path(equation, *arrays, optimize="greedy")[0][1:]
    return path


def _multiplied(x: _Named, y: _Named, wanted: set[str]) -> _Named:
    """Return the product of a pair, with all wanted letters that either has."""
    x, y = _reduced(x, y, wanted), _reduced(y, x, wanted)
    both = [c for c in x[0] if c in y[0]]
    stack = [c for c in both if c in wanted]
    summed = [c for c in both if c not in wanted]
    rows = [c for c in x[0] if c not in both]
    columns = [c for c in y[0] if c not in both]
    a = _grouped(x, stack, rows, summed)
    b = _grouped(y, stack, summed, columns)
    c = product(a, b)
    sizes = dict(zip(x[0] + y[0], x[1].shape + y[1].shape, strict=True))
    shape = [*c.shape[: len(stack)], *(sizes[k] for k in (*rows, *columns))]
    return "".join((*stack, *rows, *columns)), c.reshape(shape)


def _reduced(x: _Named, other: _Named, wanted: set[str]) -> _Named:
    """Return an input without what concerns it alone.

    That is diagonals, letters to be summed over that the other does not have, and dimensions of
    length 1 that the other has longer, or that are summed over.
    """
    term, array = x
    lengths = dict(zip(other[0], other[1].shape, strict=True))
    alone = {c for c, n in zip(term, array.shape, strict=True) if n == 1 < lengths.get(c, 1)}
    kept = [c for c in dict.fromkeys(term) if c not in alone and (c in wanted or c in lengths)]
    if len(kept) == len(term):
        return x
    return "".join(kept), np.einsum(f"{term}->{''.join(kept)}", array)


def _grouped(x: _Named, stack: Sequence[str], first: Sequence[str], second: Sequence[str]) -> Array:
    """Return an input as a stack of matrices, whose rows and columns are some letters together."""
    term, array = x
    turned = array.transpose([term.index(c) for c in (*stack, *first, *second)])
    shape = turned.shape
    ends = len(stack), len(stack) + len(first)
    rows, columns = prod(shape[ends[0] : ends[1]]), prod(shape[ends[1] :])
    return turned.reshape(*shape[: ends[0]], rows, columns)


def work(pattern: None, types: tuple[TensorType, ...], attrs: Attrs) -> Work:
    """Return the work of one large product."""
    return Work(EINSUM.flops(types, attrs), bytes_moved(*types), calls=1, unit="matmul")


EINSUM_DENSE = Kernel(
    EINSUM, None, bytes_moved, vectorized=Level(vectorized, work=work, device=by_meaning(EINSUM))
)
