"""Exact answers of ops that choose: by comparing, by place, or by adding up what is before.

Chosen values are exact. Sums have the bound of sums, their terms in any order; products of several
factors one rounding for each.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.families.movement import coordinates
from minisparse.oracle.sums import Sums, exact_products
from minisparse.oracle.truth import Truth, from_array, widened, wrapped

Operands = Sequence[Array]
Attrs = Mapping[str, Any]


def _beats(x: Array, best: Array, largest: bool) -> Array:
    """Tell where x is to be chosen before what is the best so far; NaN is."""
    found: Array = (x > best) if largest else (x < best)
    return found | (np.isnan(x) & ~np.isnan(best)) if x.dtype.kind == "f" else found


def _arg(operands: Operands, attrs: Attrs, largest: bool) -> Truth:
    axis = attrs["axis"] % operands[0].ndim
    x = np.moveaxis(_ordered(operands[0]), axis, 0)
    best, place = x[0].copy(), np.zeros(x.shape[1:], np.int64)
    for i, row in enumerate(x):
        last = bool(attrs["select_last_index"])
        better = ~_beats(best, row, largest) if last else _beats(row, best, largest)
        best, place = np.where(better, row, best), np.where(better, i, place)
    return from_array(np.expand_dims(place, axis) if attrs["keepdims"] else np.asarray(place))


def _ordered(x: Array) -> Array:
    """Return values in a dtype of NumPy's own in which they compare as they do."""
    return x if x.dtype.kind in "biu" else x.astype(np.float64)


def _top_k(operands: Operands, attrs: Attrs) -> tuple[Truth, Truth]:
    x, k = operands[0], int(operands[1].reshape(-1)[0])
    axis = attrs["axis"] % x.ndim
    lines = np.moveaxis(x, axis, -1)
    places = np.zeros((*lines.shape[:-1], k), np.int64)
    sign = -1 if attrs["largest"] else 1
    for at in np.ndindex(*lines.shape[:-1]):
        line = _ordered(lines[at]).tolist()
        keys = [(sign * (v != v), 0 if v != v else sign * v, i) for i, v in enumerate(line)]
        places[at] = [i for _, _, i in sorted(keys)[:k]]
    values = np.empty(places.shape, x.dtype)
    for at in np.ndindex(*places.shape):
        values[at] = lines[(*at[:-1], places[at])]
    return from_array(np.moveaxis(values, -1, axis)), from_array(np.moveaxis(places, -1, axis))


def _non_zero(operands: Operands, attrs: Attrs) -> Truth:
    (x,) = operands
    some = np.array([v != 0 for v in x.reshape(-1)], bool)
    return from_array(coordinates(x.shape)[:, some])


def _one_hot(operands: Operands, attrs: Attrs) -> Truth:
    indices, depth, values = operands
    count = int(depth.reshape(-1)[0])
    found = np.full((*indices.shape, count), values[0])
    for at in np.ndindex(*indices.shape):
        if -count <= indices[at] < count and indices[at] == int(indices[at]):
            found[(*at, int(indices[at]))] = values[1]
    axis = attrs["axis"] % found.ndim
    return from_array(np.moveaxis(found, -1, axis))


def _cum_sum(operands: Operands, attrs: Attrs) -> Sums:
    x = operands[0]
    axis = int(operands[1].reshape(-1)[0]) % x.ndim
    n = x.shape[axis]
    to, of = np.indices((n, n))
    apart = (of - to) if attrs["reverse"] else (to - of)
    to, of = (p[apart >= (1 if attrs["exclusive"] else 0)] for p in (to, of))
    lines = np.moveaxis(x, axis, 0).reshape(n, x.size // n if n else 0)
    every = np.arange(lines.shape[1])
    places = (to[:, None] * lines.shape[1] + every).reshape(-1)
    terms = Triplets(places, np.zeros_like(places), lines[of].reshape(-1), (x.size, 1))
    sums = exact_products(terms, np.ones((1, 1), x.dtype), x.dtype)
    shape = (n, *(d for i, d in enumerate(x.shape) if i != axis))
    return sums.map(lambda y: np.moveaxis(y.reshape(shape), 0, axis))


def _scatter_elements(operands: Operands, attrs: Attrs) -> Sums | Truth:
    x, indices, updates = operands
    places = coordinates(indices.shape)
    axis = attrs["axis"] % x.ndim
    places[axis] = indices.reshape(-1).astype(np.int64) % max(1, x.shape[axis])
    return _scattered(x, places, updates.reshape(-1), attrs["reduction"])


def _scatter_nd(operands: Operands, attrs: Attrs) -> Sums | Truth:
    x, indices, updates = operands
    every = coordinates(updates.shape)
    lead = indices.ndim - 1
    rows = indices[tuple(every[:lead])].T.astype(np.int64)
    picked = [row % max(1, n) for row, n in zip(rows, x.shape, strict=False)]
    places = np.array([*picked, *every[lead:]])
    return _scattered(x, places, updates.reshape(-1), attrs["reduction"])


def _scattered(x: Array, places: Array, updates: Array, reduction: str) -> Sums | Truth:
    """Return X with each update at its place, by the order in which they come."""
    dtype = np.result_type(x, updates)
    flat = np.ravel_multi_index(tuple(places), x.shape) if x.size else np.zeros(0, np.int64)
    values, own = updates.astype(dtype), x.reshape(-1).astype(dtype)
    if reduction == "add":
        every = np.concatenate([np.arange(x.size), flat])
        data = np.concatenate([own, values])
        terms = Triplets(every, np.zeros_like(every), data, (x.size, 1))
        sums = exact_products(terms, np.ones((1, 1), dtype), dtype)
        return sums.map(lambda y: y.reshape(x.shape))
    met: dict[int, list[Any]] = {}
    for place, value in zip(flat.tolist(), values, strict=True):
        met.setdefault(place, []).append(value)
    if reduction == "mul":
        return _multiplied(own, met, x.shape)
    for place, several in met.items():
        own[place] = (
            several[-1] if reduction == "none" else _extreme([own[place], *several], reduction)
        )
    return from_array(own.reshape(x.shape))


def _extreme(values: Sequence[Any], reduction: str) -> Any:
    """Return the largest or least of some elements; NaN wins."""
    best = values[0]
    for value in values[1:]:
        if value != value or (value > best if reduction == "max" else value < best):
            best = value
        if best != best:
            break
    return best


@np.errstate(all="ignore")
def _multiplied(own: Array, met: Mapping[int, Sequence[Any]], shape: tuple[int, ...]) -> Truth:
    """Return products of an element with all that met it, k roundings for k factors more.

    ``k u abs(p)`` to first order, 1.01 of it for the rest (Higham, section 3.1); where factors are
    small, a product of some of them may underflow before large ones come.
    """
    dtype, hi = own.dtype, widened(own)
    if dtype.kind in "biu":
        for place, factors in met.items():
            product = int(hi[place])
            for factor in factors:
                product *= int(factor)
            limit = 2**64
            hi[place] = (product + limit // 2) % limit - limit // 2
        return from_array(wrapped(hi, dtype).astype(dtype).reshape(shape))
    wide = accumulator(dtype)
    lo, bound, beyond = np.zeros_like(hi), np.zeros_like(hi), np.zeros(hi.shape, bool)
    for place, factors in met.items():
        every = [float(hi[place]), *map(float, factors)]
        if not np.isfinite(every).all():
            hi[place] = np.prod(every)
            continue
        exact = Fraction(1)
        for factor in every:
            exact *= Fraction(factor)
        hi[place] = _nearest(exact)
        if not np.isfinite(hi[place]):
            continue
        lo[place] = float(exact - Fraction(hi[place]))
        large = float(np.prod(np.maximum(1, np.abs(every))))
        k = len(factors)
        error = 1.01 * k * bounds.unit_roundoff(wide) * abs(hi[place])
        bound[place] = error + k * bounds.smallest_subnormal(wide) * large
        beyond[place] = large >= bounds.largest_finite(wide)
        if wide != dtype:
            bound[place] = bounds.one_rounding(hi[place], bound[place], dtype)
    truth = Truth(hi, lo, bound, beyond, dtype)
    return truth.map(lambda y: y.reshape(shape))


def _nearest(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return np.inf if exact > 0 else -np.inf


ANSWERS: dict[str, Callable[[Operands, Attrs], Sums | Truth | tuple[Truth, ...]]] = {
    "arg_max": lambda operands, attrs: _arg(operands, attrs, largest=True),
    "arg_min": lambda operands, attrs: _arg(operands, attrs, largest=False),
    "top_k": _top_k,
    "non_zero": _non_zero,
    "one_hot": _one_hot,
    "cum_sum": _cum_sum,
    "scatter_elements": _scatter_elements,
    "scatter_nd": _scatter_nd,
}
