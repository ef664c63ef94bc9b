"""Exact answers of ``matmul`` and ``einsum``: sums of products over stacks of matrices.

Two inputs become two stacks of matrices, and these one product of a matrix with blocks along its
diagonal; each sum has the bound of :mod:`minisparse.oracle.bounds`. That also covers who sums an
input over letters of its own first: an element then passes fewer roundings than there are terms.

Of more inputs, each product of p factors is a fraction. Whatever the order, a term is rounded at
most p times as a product and K times in sums, K the terms of an element: ``(K + p) u S`` to first
order (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), with room for more. An
underflow may be multiplied by all other factors.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.triplets import Triplets
from minisparse.ops.einsum import lettered, terms_of
from minisparse.oracle import bounds
from minisparse.oracle.products import fraction_to_pair
from minisparse.oracle.sums import Sums, exact_products
from minisparse.oracle.truth import Truth, from_array, wrapped

Sizes = Mapping[str, int]


def matmul(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Sums:
    """Return ``a @ b`` as ``numpy.matmul`` has it."""
    a, b = operands
    left = a[None, :] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    count = prod(stack)
    left = np.broadcast_to(left, stack + left.shape[-2:]).reshape(count, *left.shape[-2:])
    right = np.broadcast_to(right, stack + right.shape[-2:]).reshape(count, *right.shape[-2:])
    shape = (*stack, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))
    return _stacked_products(left, right).map(lambda y: y.reshape(shape))


def _stacked_products(a: Array, b: Array) -> Sums:
    """Return the products of the matrices of two stacks, ``[P, M, K]`` and ``[P, K, N]``.

    Zeros of a are left out, but for those beside NaN and infinities.
    """
    count, m, k = a.shape
    beside_finite = np.isfinite(b).all(axis=2)
    stored = np.not_equal(a, 0) | ~np.expand_dims(beside_finite, 1)
    p, i, j = np.nonzero(stored)
    blocks = Triplets(p * m + i, p * k + j, a[p, i, j], (count * m, count * k))
    sums = exact_products(blocks, b.reshape(count * k, b.shape[2]), np.result_type(a, b))
    return sums.map(lambda y: y.reshape(count, m, b.shape[2]))


def einsum(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Sums | Truth:
    """Return what an equation says."""
    terms = terms_of(attrs["equation"])
    if terms is None:
        raise UnsupportedOpError(f"einsum: {attrs['equation']!r} is no equation")
    terms = lettered(terms, [x.ndim for x in operands])
    sizes: dict[str, int] = {}
    for term, x in zip(terms.inputs, operands, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    summed = "".join(c for c in sizes if c not in terms.output)
    shape = tuple(sizes[c] for c in terms.output)
    if len(operands) == 1 and not summed:
        return from_array(_arranged(operands[0], terms.inputs[0], terms.output, sizes))
    if len(operands) > 2:
        full = [
            _arranged(x, term, terms.output + summed, sizes).reshape(prod(shape), -1)
            for x, term in zip(operands, terms.inputs, strict=True)
        ]
        return _many(full, np.result_type(*operands)).map(lambda y: y.reshape(shape))
    inputs = (*terms.inputs, "")[:2]
    x, y = (*operands, np.ones((), operands[0].dtype))[:2]
    both = [c for c in terms.output if c in inputs[0] and c in inputs[1]]
    rows = [c for c in terms.output if c in inputs[0] and c not in both]
    columns = [c for c in terms.output if c not in both and c not in rows]
    lengths = [prod(sizes[c] for c in part) for part in (both, rows, summed, columns)]
    a = _arranged(x, inputs[0], [*both, *rows, *summed], sizes).reshape(lengths[:3])
    b = _arranged(y, inputs[1], [*both, *summed, *columns], sizes)
    sums = _stacked_products(a, b.reshape(lengths[0], lengths[2], lengths[3]))
    order = [*both, *rows, *columns]
    turned = [order.index(c) for c in terms.output]
    return sums.map(lambda z: z.reshape([sizes[c] for c in order]).transpose(turned))


def _arranged(x: Array, term: str, order: Sequence[str], sizes: Sizes) -> Array:
    """Return an input with one dimension for each letter of an order, broadcast to its size."""
    grid = dict(zip(order, np.ogrid[tuple(slice(sizes[c]) for c in order)], strict=True))
    index = tuple(grid[c] if n > 1 else 0 * grid[c] for c, n in zip(term, x.shape, strict=True))
    found = x[index] if index else x
    return np.broadcast_to(found, [sizes[c] for c in order])


def _many(factors: Sequence[Array], dtype: Any) -> Truth:
    """Return the sums along axis 1 of the products of arrays ``[M, K]``."""
    if dtype.kind == "c":
        raise UnsupportedOpError(
            "the oracle has no exact answer for einsum of more than two complex inputs"
        )
    if dtype.kind in "biu":
        whole = np.prod([x.astype(object) for x in factors], axis=0)
        total = np.array([sum(map(int, row)) for row in whole], object)
        low = (total % 2**64).astype(np.uint64).view(np.int64) if dtype.kind != "b" else total != 0
        zero = np.zeros(total.shape, np.int64)
        hi = wrapped(np.asarray(low).astype(np.int64), dtype)
        return Truth(hi, zero, zero, np.zeros(total.shape, bool), dtype)
    wide, real = accumulator(dtype), [x.astype(np.float64) for x in factors]
    with np.errstate(all="ignore"):
        special = _special_sums(real)
        finite = [np.where(np.isfinite(x), x, 0) for x in real]
        largest = prod(max(1.0, float(np.abs(x).max(initial=0))) for x in finite)
    exact, sizes = _fraction_sums(finite)
    hi, lo = (
        (np.array(part, np.float64) for part in zip(*exact, strict=True))
        if exact
        else (np.zeros(len(real[0])), np.zeros(len(real[0])))
    )
    count = real[0].shape[1] + len(real)
    u, eta = bounds.unit_roundoff(wide), bounds.smallest_subnormal(wide)
    with np.errstate(all="ignore"):
        bound = count * (u * (1 + 2 * count * u) * sizes + eta * largest)
        if wide != dtype:
            bound = bounds.one_rounding(hi, bound, dtype)
    hi = np.where(np.isfinite(special), hi, special)
    known = np.isfinite(special) & np.isfinite(hi)
    overflow = np.full(hi.shape, largest * count >= bounds.largest_finite(wide))
    return Truth(hi, np.where(known, lo, 0), np.where(known, bound, 0), overflow, dtype)


def _special_sums(factors: Sequence[Array]) -> Array:
    """Return the sums of those products that have a NaN or an infinity among their factors."""
    odd = np.any([~np.isfinite(x) for x in factors], axis=0)
    sums: Array = np.where(odd, np.prod(factors, axis=0), 0).sum(axis=1)
    return sums


def _fraction_sums(factors: Sequence[Array]) -> tuple[list[tuple[float, float]], Array]:
    """Return exact sums as pairs, and the sums of absolute values."""
    pairs, sizes = [], []
    for rows in zip(*(x.tolist() for x in factors), strict=True):
        terms = [prod(map(Fraction, term), start=Fraction(1)) for term in zip(*rows, strict=True)]
        pairs.append(fraction_to_pair(sum(terms, Fraction(0))))
        sizes.append(fraction_to_pair(sum(map(abs, terms), Fraction(0)))[0])
    return pairs, np.array(sizes, np.float64)


ANSWERS = {"matmul": matmul, "einsum": einsum}
