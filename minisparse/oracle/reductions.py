"""Exact sums, means and extremes along axes.

A sum's terms are the elements, or the entries that are stored, in any order: the bound of
:mod:`minisparse.oracle.bounds`, with each term a product with 1. A mean divides it by the number
of cells, or multiplies it by the rounded inverse: two roundings more. Extremes are chosen, never
computed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.oracle import bounds
from minisparse.oracle.choices import meant, products
from minisparse.oracle.errorfree import two_product
from minisparse.oracle.profile import Profile
from minisparse.oracle.sums import Sums
from minisparse.oracle.truth import Truth, by_parts, from_array, widened

Operand = Array | Matrix | Triplets


def reduce_sum(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return sums of everything along the axes."""
    return _sums(operands[0], attrs, profile).truth()


def reduce_mean(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return sums over the number of cells, stored or not; of no cells NaN."""
    sums = _sums(operands[0], attrs, profile)
    cells, results = math.prod(operands[0].shape), sums.hi.size
    count = cells // results if results else 1
    if not count:
        return from_array(np.full(sums.hi.shape, np.nan, sums.dtype))
    return divided(sums, np.array(count))


def divided(sums: Sums, count: Array) -> Truth:
    """Return sums over whole numbers that broadcast with them: up to two roundings more."""
    dtype, wide = sums.dtype, accumulator(sums.dtype)
    total, count = replace(sums, dtype=wide).truth(), count.astype(np.float64)
    part = np.dtype(f"f{wide.itemsize // 2}") if wide.kind == "c" else wide
    with np.errstate(all="ignore"):
        hi = by_parts(lambda h: h / count, total.hi)
        lo = by_parts(lambda h, low, q: _rest(h, low, q, count), total.hi, total.lo, hi)

        def erring(value: Array, error: Array) -> Array:
            once = bounds.one_rounding(value, error / count, part)
            twice = bounds.one_rounding(value, once, part) + 2.0**-98 * np.abs(value)
            bound = twice if dtype == wide else bounds.one_rounding(value, twice, dtype)
            return np.where(np.isfinite(value) & ((value != 0) | (error != 0)), bound, 0)

        bound = by_parts(erring, hi, total.bound)
    lo = np.where(np.isfinite(hi), lo, 0)
    bound = np.where(np.isfinite(hi), bound, 0)
    return Truth(hi, lo, bound, total.may_overflow, dtype)


def _rest(hi: Array, lo: Array, quotient: Array, count: Array) -> Array:
    """Return what ``quotient = hi / count`` lost of ``(hi + lo) / count``."""
    product, error = two_product(quotient, count)
    rest = ((hi - product) - np.nan_to_num(error) + lo) / count
    return np.where(np.isfinite(rest), rest, 0)


def _sums(x: Operand, attrs: Mapping[str, Any], profile: Profile) -> Sums:
    shape = x.shape
    kept, result = kept_and_result(shape, attrs)
    numbers = np.arange(math.prod(kept)).reshape(kept)
    if isinstance(x, np.ndarray):
        places, data = np.broadcast_to(numbers, shape).reshape(-1), x.reshape(-1)
    else:
        entries = meant(x.triplets() if isinstance(x, Matrix) else x, profile)
        places, data = np.broadcast_to(numbers, shape)[entries.row, entries.col], entries.data
    terms = Triplets(places, np.zeros_like(places), data, (numbers.size, 1))
    one = np.ones((1, 1), data.dtype)
    return products(terms, one, data.dtype, profile).map(lambda y: y.reshape(result))


def kept_and_result(
    shape: tuple[int, ...], attrs: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape with a 1 for every axis that is reduced, and that of the result."""
    axes = attrs["axes"] or range(len(shape))
    gone = {axis % len(shape) for axis in axes}
    kept = tuple(1 if i in gone else n for i, n in enumerate(shape))
    result = tuple(n for i, n in enumerate(shape) if i not in gone)
    return kept, kept if attrs["keepdims"] else result


def reduce_max(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the largest along the axes; NaN wins, and of nothing it is the least number."""
    (x,) = operands
    return _chosen(x, attrs, np.maximum, _limit(x, upper=False))


def reduce_min(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the least along the axes; NaN wins, and of nothing it is the largest number."""
    (x,) = operands
    return _chosen(x, attrs, np.minimum, _limit(x, upper=True))


def _limit(x: Array, *, upper: bool) -> float | int:
    if x.dtype.kind == "b":
        return int(upper)
    if x.dtype.kind in "iu":
        return int(np.iinfo(x.dtype).max if upper else np.iinfo(x.dtype).min)
    return np.inf if upper else -np.inf


def _chosen(x: Array, attrs: Mapping[str, Any], choose: np.ufunc, none: float) -> Truth:
    axes = tuple(attrs["axes"] or range(x.ndim))
    keep = bool(attrs["keepdims"])
    values = x if x.dtype.kind == "u" else widened(x)  # int64 does not hold all of uint64
    found = np.asarray(choose.reduce(values, axis=axes, keepdims=keep, initial=none), values.dtype)
    return replace(from_array(found), dtype=x.dtype)
