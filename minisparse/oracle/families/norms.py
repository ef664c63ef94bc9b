"""Exact answers of norms, products and sums of squares along axes.

The sums are sums of products: of absolute values with 1, of elements with themselves. The root of a
sum s that errs by E errs by at most ``E / sqrt(s)``, and at most ``sqrt(E)``, from ``a - b = (a**2
- b**2) / (a + b)``, and is rounded once.

A product of n factors is a fraction, and errs by ``(n - 1) u`` of itself to first order (Higham,
Accuracy and Stability of Numerical Algorithms, section 3.1). If all factors below 1 together are
too small for a normal number, some order underflows on the way, and what is lost may still be
multiplied by all factors above 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.products import fraction_to_pair
from minisparse.oracle.reductions import kept_and_result
from minisparse.oracle.sums import Sums, exact_products
from minisparse.oracle.truth import Truth, wrapped


def reduce_l1(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Sums:
    """Return sums of absolute values."""
    (x,) = operands
    size = np.abs(x.astype(np.int64)) if x.dtype.kind == "i" else np.abs(x)
    return _sums_of_products(size, np.ones_like(size), x.dtype, attrs)


def reduce_sum_square(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Sums:
    """Return sums of squares."""
    (x,) = operands
    return _sums_of_products(x, x, x.dtype, attrs)


def reduce_l2(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return roots of sums of squares."""
    (x,) = operands
    wide = accumulator(x.dtype)
    squares = replace(reduce_sum_square(operands, attrs), dtype=wide).truth()
    roots = np.array([_root(*pair) for pair in zip(squares.hi.flat, squares.lo.flat, strict=True)])
    hi, lo = roots.reshape(-1, 2).T.reshape(2, *squares.shape)
    with np.errstate(all="ignore"):
        finite = np.isfinite(hi)
        error = np.fmin(squares.bound / hi, np.sqrt(squares.bound))
        bound = np.where(hi + error > 0, bounds.one_rounding(hi, error, wide) + 2.0**-100 * hi, 0)
        if wide != x.dtype:
            bound = bounds.one_rounding(hi, bound, x.dtype)
    bound = np.where(finite, bound, 0)
    return Truth(hi, np.where(finite, lo, 0), bound, squares.may_overflow, x.dtype)


def _root(hi: float, lo: float) -> tuple[float, float]:
    """Return the root of ``hi + lo`` as a pair."""
    if not np.isfinite(hi):
        return float(hi), 0.0
    with localcontext(prec=50):
        root = (Decimal(float(hi)) + Decimal(float(lo))).sqrt()
        return float(root), float(root - Decimal(float(root)))


def reduce_prod(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return products."""
    (x,) = operands
    rows, result = _rows(x, attrs)
    if x.dtype.kind in "iu":
        products = [prod(map(int, row)) % 2**64 for row in rows.tolist()]
        hi = wrapped(np.array(products, np.uint64).view(np.int64), x.dtype).reshape(result)
        zero = np.zeros_like(hi)
        return Truth(hi, zero, zero, np.zeros(hi.shape, bool), x.dtype)
    found = [_product(row, accumulator(x.dtype)) for row in rows.astype(np.float64).tolist()]
    hi, lo, bound, overflow = np.array(found).reshape(-1, 4).T.reshape(4, *result)
    if accumulator(x.dtype) != x.dtype:
        with np.errstate(all="ignore"):
            bound = np.where(np.isfinite(hi), bounds.one_rounding(hi, bound, x.dtype), 0)
    return Truth(hi, lo, bound, overflow > 0, x.dtype)


def _product(row: list[float], wide: DType) -> tuple[float, float, float, bool]:
    """Return the product of a row as a pair, by how much it may be off, and if it may overflow."""
    finite = [Fraction(v) for v in row if np.isfinite(v)]
    above = prod((abs(f) for f in finite if abs(f) > 1), start=Fraction(1))
    below = prod((abs(f) for f in finite if 0 < abs(f) < 1), start=Fraction(1))
    eta = bounds.smallest_subnormal(wide)
    # Some order underflows, or may: the least normal number is eta / (2 u).
    lost = below * 2 * Fraction(bounds.unit_roundoff(wide)) < 2 * Fraction(eta)
    overflow = above >= Fraction(bounds.largest_finite(wide))
    if len(finite) < len(row):
        with np.errstate(all="ignore"):
            return float(np.prod(np.sign(row)) * np.inf), 0.0, 0.0, overflow or lost
    hi, lo = fraction_to_pair(prod(finite, start=Fraction(1)))
    if not np.isfinite(hi):
        return hi, 0.0, 0.0, overflow
    bound = 1.01 * max(len(row) - 1, 0) * bounds.unit_roundoff(wide) * abs(hi)
    if lost:
        bound += fraction_to_pair(2 * len(row) * Fraction(eta) * above)[0]
    return hi, lo, bound, overflow


def _rows(x: Array, attrs: Mapping[str, Any]) -> tuple[Array, tuple[int, ...]]:
    """Return X with the axes that are reduced as columns, and the shape of the result."""
    kept, result = kept_and_result(x.shape, attrs)
    gone = {axis % x.ndim for axis in attrs["axes"] or range(x.ndim)}
    order = [*(i for i in range(x.ndim) if i not in gone), *sorted(gone)]
    columns = prod(x.shape[i] for i in gone)
    return x.transpose(order).reshape(prod(kept), columns), result


def _sums_of_products(x: Array, y: Array, dtype: DType, attrs: Mapping[str, Any]) -> Sums:
    """Return the sums along axes of the products of elements at the same place."""
    rows, result = _rows(x, attrs)
    others, _ = _rows(y, attrs)
    count = rows.size
    places = np.repeat(np.arange(len(rows)), rows.shape[1])
    terms = Triplets(places, np.arange(count), rows.reshape(-1), (len(rows), count))
    return exact_products(terms, others.reshape(-1, 1), dtype).map(lambda z: z.reshape(result))


ANSWERS = {
    "reduce_l1": reduce_l1,
    "reduce_l2": reduce_l2,
    "reduce_prod": reduce_prod,
    "reduce_sum_square": reduce_sum_square,
}
