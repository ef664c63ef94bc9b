"""Exact answers of ``resize``: where each new element lies is told, what it is made of is exact.

Coordinates are the op's, float64 by its formulas: they are its meaning. From there on weights are
fractions, and their sums with X are formed in pairs of float64. A right implementation rounds each
weight and each product, and adds up the products of all taps, axis by axis or all at once: ``(K +
2 r) u S``, with K products for r axes and S the sum of what they are without signs. A weight in
float64 is itself only as near as its formula: ``e``, for which ``S`` is formed once more.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.ops import OPS
from minisparse.ops.interpolation import Axis, coordinates
from minisparse.ops.resize import axes_to_resize
from minisparse.oracle import bounds
from minisparse.oracle.errorfree import two_product, two_sum
from minisparse.oracle.truth import Truth, from_array

Operands = Sequence[Array]
Attrs = Mapping[str, Any]

_ROUND: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda x: math.ceil(x - Fraction(1, 2)),
    "round_prefer_ceil": lambda x: math.floor(x + Fraction(1, 2)),
    "floor": math.floor,
    "ceil": math.ceil,
}


class _Weights(NamedTuple):
    """Of one axis: places ``[count, taps]``, weights in two parts, and how wrong one may be."""

    places: Array
    hi: Array
    lo: Array
    off: float


class _Pair(NamedTuple):
    """Values ``hi + lo``, and what may be lost beside them."""

    hi: Array
    lo: Array
    lost: Array


def _linear(distance: Fraction) -> Fraction:
    return max(Fraction(0), 1 - abs(distance))


def _cubic(distance: Fraction, a: Fraction) -> Fraction:
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else Fraction(0)


def _weights(axis: Axis, attrs: Attrs) -> _Weights:
    """Return what each new element of an axis is made of."""
    at = [Fraction(x) for x in coordinates(axis, attrs["coordinate_transformation_mode"]).tolist()]
    if attrs["mode"] == "nearest":
        chosen = np.array([_ROUND[attrs["nearest_mode"]](x) for x in at], np.int64)
        one = chosen.clip(0, axis.length - 1)[:, None]
        return _Weights(one, np.ones(one.shape), np.zeros(one.shape), 0.0)
    a, reach = Fraction(attrs["cubic_coeff_a"]), 1 if attrs["mode"] == "linear" else 2
    stretch = Fraction(min(axis.scale, 1.0)) if attrs["antialias"] else Fraction(1)
    wide = math.ceil(reach / stretch)
    rows: list[list[Fraction]] = []
    places: list[list[int]] = []
    for x in at:
        near = [math.floor(x) + i for i in range(1 - wide, wide + 1)]
        apart = [(i - x) * stretch for i in near]
        row = [_linear(d) if reach == 1 else _cubic(d, a) for d in apart]
        if attrs["exclude_outside"]:
            row = [
                w if 0 <= i < axis.length else Fraction(0) for i, w in zip(near, row, strict=True)
            ]
        if attrs["exclude_outside"] or attrs["antialias"]:
            row = [w / (sum(row) or 1) for w in row]
        rows.append(row)
        places.append([min(max(i, 0), axis.length - 1) for i in near])
    shape = (len(at), 2 * wide)
    hi = np.array([[float(w) for w in row] for row in rows], np.float64).reshape(shape)
    lo = np.array([[float(w - Fraction(float(w))) for w in row] for row in rows]).reshape(shape)
    off = 2.0**-53 * (16 if reach == 1 else 288 * (1 + abs(float(a)))) * wide
    return _Weights(np.array(places, np.int64).reshape(shape), hi, lo, off)


def _combined(x: _Pair, axis: int, of: _Weights) -> _Pair:
    """Return weighted sums along an axis; what weighs nothing is not looked at."""
    shape = (*x.hi.shape[:axis], len(of.places), *x.hi.shape[axis + 1 :])
    plain, hi, lo, lost = (np.zeros(shape) for _ in range(4))
    column = (-1, *[1] * (x.hi.ndim - axis - 1))
    for t in range(of.places.shape[1]):
        taken = (np.take(y, of.places[:, t], axis) for y in x)
        w, rest = of.hi[:, t].reshape(column), of.lo[:, t].reshape(column)
        some = np.broadcast_to(w != 0, shape)
        h, low, missed = (np.where(some, y, 0) for y in taken)
        product, error = two_product(h, np.broadcast_to(w, shape))
        proven = np.isfinite(error)
        plain += product
        hi, more = two_sum(hi, product)
        lo += more + np.where(proven, error, 0) + h * rest + low * w
        lost += missed * abs(w) + np.where(proven, 2.0**-100, 2.0**-50) * abs(product)
    finite = np.isfinite(plain)
    hi, lo = two_sum(hi, np.where(finite, lo, 0))
    return _Pair(np.where(finite, hi, plain), np.where(finite, lo, 0), np.where(finite, lost, 0))


def _sized(x: Array, axes: Mapping[int, _Weights], off: int | None = None) -> Array:
    """Return sums without signs; for one axis with how wrong a weight may be in its place."""
    for axis, of in axes.items():
        weights = np.full(of.hi.shape, of.off) if axis == off else abs(of.hi)
        column = (-1, *[1] * (x.ndim - axis - 1))
        taken = (np.take(x, places, axis) for places in of.places.T)
        x = sum(
            (y * w.reshape(column) for y, w in zip(taken, weights.T, strict=True)),
            np.zeros((*x.shape[:axis], len(of.places), *x.shape[axis + 1 :])),
        )
    return x


def _interpolated(x: Array, axes: Mapping[int, _Weights]) -> Truth:
    """Return the exact values in float64 pairs, with the bound of what X's dtype is computed in."""
    whole = x.dtype.kind in "iu"
    wide = np.dtype(np.float64) if whole else accumulator(x.dtype)
    start = x.astype(np.float64)
    pair = _Pair(start, np.zeros_like(start), np.zeros_like(start))
    for axis, of in axes.items():
        pair = _combined(pair, axis, of)
    finite = np.where(np.isfinite(start), abs(start), 0)
    size = _sized(finite, axes)
    terms = math.prod(of.places.shape[1] for of in axes.values()) + 2 * len(axes) + whole
    bound = bounds.unit_roundoff(wide) * 1.01 * terms * size + pair.lost
    bound += sum((_sized(finite, axes, axis) for axis in axes), np.zeros_like(size))
    bound += terms * bounds.smallest_subnormal(wide) * (size != 0)
    bound = np.where(np.isfinite(pair.hi), bound, 0)
    beyond = size + bound >= bounds.largest_finite(wide)
    if not axes:
        return from_array(x)
    return Truth(pair.hi, pair.lo, bound, beyond, x.dtype)


@np.errstate(all="ignore")
def _resize(operands: Operands, attrs: Attrs) -> Truth:
    x, mode = operands[0], attrs["mode"]
    axes = axes_to_resize(operands, attrs)
    weights = {axis: _weights(how, attrs) for axis, how in axes.items()}
    if mode == "nearest":
        y = x
        for axis, of in weights.items():
            y = np.take(y, of.places[:, 0], axis)
        found = from_array(y)
    else:
        found = _interpolated(x, weights)
        if x.dtype.kind in "iu" and axes:
            found = _rounded(found, operands, attrs)
        elif accumulator(x.dtype) != x.dtype and axes:
            kept = (found.bound == 0) | ~np.isfinite(found.hi)
            narrow = bounds.one_rounding(found.hi, found.bound, x.dtype)
            found = Truth(
                found.hi, found.lo, np.where(kept, 0, narrow), found.may_overflow, x.dtype
            )
    return _cropped(found, axes, attrs)


def _rounded(found: Truth, operands: Operands, attrs: Attrs) -> Truth:
    """Return whole numbers, cut to the dtype; so near to a tie, the op's own choice is right."""
    limits = np.iinfo(found.dtype)
    nearest = np.rint(found.hi)
    tie = np.abs(np.abs(found.hi - np.floor(found.hi) - 0.5) + found.lo) <= found.bound
    own = OPS["resize"].dense(operands, attrs).astype(np.float64)
    chosen = np.where(tie & (np.abs(own - found.hi) < 0.75), own, nearest)
    exact = [min(max(int(v), int(limits.min)), int(limits.max)) for v in chosen.reshape(-1)]
    return from_array(np.array(exact, object).astype(found.dtype).reshape(chosen.shape))


def _cropped(found: Truth, axes: Mapping[int, Axis], attrs: Attrs) -> Truth:
    """Return it with the one value where a part of the array reaches beyond it."""
    if attrs["coordinate_transformation_mode"] != "tf_crop_and_resize":
        return found
    outside = np.zeros(found.shape, bool)
    for axis, how in axes.items():
        at = coordinates(how, "tf_crop_and_resize")
        column = (-1, *[1] * (outside.ndim - axis - 1))
        outside |= ((at < 0) | (at > how.length - 1)).reshape(column)
    value = from_array(_held(attrs["extrapolation_value"], found.dtype)).hi
    lo, bound = (np.where(outside, 0, old) for old in (found.lo, found.bound))
    hi = np.where(outside, value, found.hi)
    return Truth(hi, lo, bound, found.may_overflow & ~outside, found.dtype)


def _held(value: float, dtype: DType) -> Array:
    """Return a number as a dtype holds it, a whole one rounded and cut."""
    if dtype.kind not in "iu":
        return np.array(value).astype(dtype)
    limits = np.iinfo(dtype)
    return np.array(min(max(round(value), int(limits.min)), int(limits.max)), dtype)


ANSWERS: dict[str, Callable[[Operands, Attrs], Truth]] = {"resize": _resize}
