"""Exact answers of the normalizations by the elements' own mean and variance.

Mean, variance and quotient of each row are computed with 100 decimal digits. The bound is that of
two passes, in the unit u of the accumulator: the mean first, then the mean of the squared
differences from it. (Of the formula in one pass, ``mean(x**2) - mean**2``, nothing is proven.) With
n elements in a row, A the mean of their absolute values, v the variance, s = v + epsilon:

- the mean errs by ``E = (n + 2) u A + 2 eta``: a sum of n terms, divided;
- a difference from it errs by ``E + u (abs(d) + E)``;
- the computed mean being off by E adds ``E**2`` to the variance and no more, as the exact
  differences sum to 0; the rest are n + 5 roundings of terms of one sign: ``E**2 + (n + 5) u (v +
  E**2) + 2 eta``;
- with epsilon, rounded and added, s errs by ``2 u s + eta`` more, altogether by a part q of it; its
  inverse root by at most ``1 / sqrt(1 - q) - 1`` of itself, and 3 u for root and inverse;
- scale and bias: ``6 u ((abs(x) + abs(mean)) abs(a) + abs(bias))``, a being ``scale / sqrt(s)``, so
  that ``x * a + (bias - mean * a)`` is right too, which has five roundings.

The root mean square is the same with a mean that is 0 and exact. (Higham, Accuracy and Stability of
Numerical Algorithms, sections 1.9, 3.1 and 4.2.) Where q reaches 1, as in a row of one value with
epsilon 0, anything is right.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.oracle import bounds
from minisparse.oracle.truth import Truth

_DIGITS = 100


class _Rows(NamedTuple):
    """Rows ``[R, n]`` with what scales each element, in float64, and what they are computed in."""

    x: Array
    scale: Array
    bias: Array
    epsilon: float
    centered: bool
    wide: DType


class _Exact(NamedTuple):
    """Results as pairs ``[R, n]``; mean, variance and differences from the mean, rounded."""

    hi: Array
    lo: Array
    mean: Array
    variance: Array
    difference: Array


def layer_normalization(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the last axes normalized by mean and variance."""
    return _by_last_axes(operands, attrs, centered=True)


def rms_normalization(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the last axes over their root mean square."""
    return _by_last_axes(operands, attrs, centered=False)


def _by_last_axes(operands: Sequence[Array], attrs: Mapping[str, Any], centered: bool) -> Truth:
    x, scale, *bias = operands
    length = prod(x.shape[attrs["axis"] % x.ndim :])
    factors = scale, bias[0] if bias else np.zeros((), scale.dtype)
    return _normalized(operands, factors, length, attrs["epsilon"], centered)


def instance_normalization(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return each channel of each image normalized."""
    return _by_groups(operands, operands[0].shape[1], attrs)


def group_normalization(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return each group of channels of each image normalized."""
    return _by_groups(operands, attrs["num_groups"], attrs)


def _by_groups(operands: Sequence[Array], groups: int, attrs: Mapping[str, Any]) -> Truth:
    x, *factors = operands
    length = prod(x.shape[1:]) // max(groups, 1)
    shape = (-1, *[1] * (x.ndim - 2))
    by_channel = [o.reshape(shape) for o in factors]
    return _normalized(operands, by_channel, length, attrs["epsilon"], centered=True)


def _normalized(
    operands: Sequence[Array],
    factors: Sequence[Array],
    length: int,
    epsilon: float,
    centered: bool,
) -> Truth:
    """Return rows of so many elements normalized, scale and bias broadcast to X's shape."""
    x, dtype = operands[0], np.result_type(*operands)
    if not x.size:
        zero = np.zeros(x.shape)
        return Truth(zero, zero, zero, np.zeros(x.shape, bool), dtype)
    arrays = (np.broadcast_to(o, x.shape).astype(np.float64) for o in (x, *factors))
    values, scale, bias = (o.reshape(-1, length) for o in arrays)
    rows = _Rows(values, scale, bias, float(epsilon), centered, accumulator(dtype))
    with np.errstate(all="ignore"):
        truth = _settled(rows, _exact(rows), dtype)
    return truth.map(lambda y: y.reshape(x.shape))


def _settled(rows: _Rows, exact: _Exact, dtype: DType) -> Truth:
    """Return the answers with their bounds, and NaN and infinities as IEEE arithmetic has them."""
    error, spread, grown = _error(rows, exact)
    deviation = np.sqrt(exact.variance + rows.epsilon)
    normal = exact.difference / deviation
    plain = _plain(rows, normal)
    # Infinity times what may be 0, or a row without any variance: anything may come of it.
    free = np.isinf(rows.scale) & (np.abs(normal) <= spread) & ~np.isnan(rows.bias)
    known = np.isfinite(rows.x).all(axis=1, keepdims=True)
    free |= (deviation == 0) & (rows.x != 0).any(axis=1, keepdims=True)
    free &= known
    finite = known & np.isfinite(plain) & ~free
    hi = np.where(finite, exact.hi, np.where(free, 0, plain))
    bound = error if rows.wide == dtype else bounds.one_rounding(hi, error, dtype)
    squares = rows.x.shape[1] * (exact.variance + exact.mean**2)
    most = bounds.largest_finite(rows.wide)
    beyond = np.broadcast_to((2 * squares >= most) | np.isinf(grown), hi.shape)
    size = (np.abs(rows.x) + np.abs(exact.mean)) * np.maximum(np.abs(rows.scale / deviation), 1)
    bound = np.where(
        free | (finite & (beyond | np.isnan(bound))), np.inf, np.where(finite, bound, 0)
    )
    overflow = free | (known & (beyond | (size >= most)))
    return Truth(hi, np.where(finite, exact.lo, 0), bound, overflow, dtype)


def _plain(rows: _Rows, normal: Array) -> Array:
    """Return what float64 makes of it; of rows with NaN and infinities it is right."""
    x = rows.x
    if rows.centered:
        x = x - x.mean(axis=1, keepdims=True)
    own = x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + rows.epsilon)
    known = np.isfinite(rows.x).all(axis=1, keepdims=True)
    plain: Array = np.where(known, normal, own) * rows.scale + rows.bias
    return plain


def _exact(rows: _Rows) -> _Exact:
    """Return what 100 digits make of it; NaN and infinities are taken for 0."""
    finite = [_decimals(np.where(np.isfinite(a), a, 0)) for a in rows[:3]]
    with localcontext(prec=_DIGITS):
        x, scale, bias = finite
        count = Decimal(x.shape[1])
        mean = x.sum(axis=1, keepdims=True) / count * int(rows.centered)
        difference = x - mean
        if rows.centered:  # the mean of equal values is theirs, whatever was rounded here
            difference[(rows.x == rows.x[:, :1]).all(axis=1)] = Decimal(0)
        variance = (difference * difference).sum(axis=1, keepdims=True) / count
        spread = [[(v + Decimal(rows.epsilon)).sqrt() or Decimal(1)] for v in variance[:, 0]]
        y = difference / np.array(spread, object) * scale + bias
        hi = _floats(y)
        lo = _floats(y - _decimals(hi))
    return _Exact(hi, lo, _floats(mean), _floats(variance), _floats(difference))


def _decimals(x: Array) -> Array:
    found = np.empty(x.shape, object)
    found.reshape(-1)[:] = [Decimal(v) for v in x.reshape(-1).tolist()]
    return found


def _floats(x: Array) -> Array:
    return np.array([float(v) for v in x.reshape(-1)]).reshape(x.shape)


def _error(rows: _Rows, exact: _Exact) -> tuple[Array, Array, Array]:
    """Return the bound, that of what is scaled, and by which part the inverse deviation errs."""
    u, eta = bounds.unit_roundoff(rows.wide), bounds.smallest_subnormal(rows.wide)
    n = rows.x.shape[1]
    size = np.abs(rows.x).mean(axis=1, keepdims=True)
    off = ((n + 2) * u * size + 2 * eta) * int(rows.centered)
    moved = off + u * (np.abs(exact.difference) + off)
    total = exact.variance + rows.epsilon
    wrong = off**2 + (n + 5) * u * (exact.variance + off**2) + 3 * eta + 2 * u * total
    part = wrong / total
    grown = np.where(part < 1, 1 / np.sqrt(np.maximum(1 - part, 0)) - 1, np.inf) + 3 * u
    inverse = 1 / np.sqrt(total)
    spread = moved * inverse * (1 + grown) + np.abs(exact.difference) * inverse * grown
    scale = np.where(np.isfinite(rows.scale), np.abs(rows.scale), 0)
    distance = np.abs(rows.x) + np.abs(exact.mean)
    rounded = 6 * u * (distance * inverse * scale + np.abs(rows.bias))
    error: Array = scale * spread + rounded + 4 * eta * (1 + scale + inverse * scale)
    return error, spread, grown


ANSWERS = {
    "layer_normalization": layer_normalization,
    "rms_normalization": rms_normalization,
    "instance_normalization": instance_normalization,
    "group_normalization": group_normalization,
}
