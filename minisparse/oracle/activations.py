"""Exact answers of the activations ``gelu``, ``silu`` and ``clip``, and how near one must be.

``gelu(x) = x Phi(x)`` with the normal distribution function Phi, or by ``tanh`` ``x S(2 v)`` with
``v = sqrt(2 / pi) (x + 0.044715 x**3)``; ``silu(x) = x S(x)``; ``S(t) = 1 / (1 + exp(-t))``. All
are computed to 50 digits; Phi by its series of positive terms, ``1/2 + exp(-x**2 / 2) / sqrt(2 pi)
(x + x**3 / 3 + x**5 / (3 5) + …)`` (Marsaglia, J. Statistical Software 11(4), 2004), which is known
to 2**-100 absolutely, as the bound needs it.

The bound is ``8 u abs(x) + 2 eta``, absolute in x and not relative to the result: the textbook
computes ``x * 0.5 * (1 + erf(x / sqrt 2))``, in which little of a small result is left. In the
unit u of the accumulator:

- ``x / sqrt 2`` errs by 2 u relatively; erf changes by at most ``z erf'(z) <= 0.49`` times that;
- erf and tanh err by at most 4 u (two units in the last place below 1), exp by 6 u relatively,
  of which S takes over at most a quarter;
- tanh's argument sums terms of one sign, and errs by at most 7 u relatively, ``v tanh'(v) <=
  0.45`` times which counts;
- ``1 + …`` is rounded by at most 2 u and then halved; the other form of S rounds twice, by u;
- the product with x is rounded once: u times the result, which is at most ``abs(x)``.

That is ``(0.98 + 4 + 2) / 2 + 1 < 5`` for erf, ``(3.2 + 4 + 2) / 2 + 1 < 6`` for tanh and ``1.5 + 2
+ 1 < 5`` for S, to first order; 8 leaves room. Where ``exp(-x)`` overflows, what is lost is below
``abs(x)`` over the largest number. An argument that is itself uncertain by E adds ``abs(f'(x)) E +
E**2 / 2``, at most ``1.2 E``: no second derivative of the three exceeds 1, and no first one 1.2.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.oracle import bounds
from minisparse.oracle.truth import Truth

_EXACT = Context(prec=50)
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628621")
_TAIL = 12
"""Beyond it Phi is 0 or 1 to 2**-100, and the series long."""


def gelu(x: Truth, attrs: Mapping[str, Any]) -> Truth:
    """Return ``x Phi(x)``, or what approximates it by tanh."""
    if attrs["approximate"] == "none":
        return _by_distribution(x, _normal, _normal_slope)
    return _by_distribution(x, _by_tanh, _by_tanh_slope)


def silu(x: Truth) -> Truth:
    """Return ``x / (1 + exp(-x))``."""
    return _by_distribution(x, _sigmoid, _sigmoid_slope)


def clip(x: Truth, attrs: Mapping[str, Any]) -> Truth:
    """Return ``min(max(x, low), high)``, the bounds as x's dtype holds them; NaN goes through.

    Like relu it is monotone and 1-Lipschitz: of the error of x, what lies between the bounds.
    """
    low, high = (_held(attrs[name], x) for name in ("min", "max"))

    def limited(values: Array) -> Array:
        values = values if low is None else np.maximum(values, low)
        return values if high is None else np.minimum(values, high)

    hi = limited(x.hi)
    lo = np.where(hi == x.hi, x.lo, 0)
    for limit, outwards in ((low, -1), (high, 1)):
        if limit is not None:  # exactly on a bound, what was rounded off may lie beyond it
            lo = np.where((hi == limit) & (outwards * lo > 0), 0, lo)
    if low is not None and high is not None and low > high:
        lo = np.zeros_like(lo)
    bound = x.bound
    if not x.is_integer:
        with np.errstate(all="ignore"):
            reach = np.maximum(limited(x.hi + bound) - hi, hi - limited(x.hi - bound))
        bound = np.where(np.isfinite(hi) & (bound > 0), np.minimum(reach, bound), 0)
    return replace(x, hi=hi, lo=lo, bound=bound)


def _held(limit: float | None, x: Truth) -> Any:
    """Return a bound as the dtype of x holds it, in the width in which a Truth counts."""
    if limit is None:
        return None
    if x.is_integer:
        return np.int64(int(limit))
    with np.errstate(all="ignore"):
        return np.float64(limit).astype(x.dtype).astype(np.float64)


def _by_distribution(
    x: Truth, function: Callable[[Decimal], Decimal], slope: Callable[[Array], Array]
) -> Truth:
    """Return ``x F(x)`` for a function F that rises from 0 to 1."""
    flat, rest = x.hi.reshape(-1).tolist(), x.lo.reshape(-1).tolist()
    pairs = [_times_itself(h, low, function) for h, low in zip(flat, rest, strict=True)]
    hi = np.array([h for h, _ in pairs], np.float64).reshape(x.shape)
    lo = np.array([low for _, low in pairs], np.float64).reshape(x.shape)
    wide = accumulator(x.dtype)
    with np.errstate(all="ignore"):
        size = np.abs(x.hi) + x.bound
        passed_on = np.abs(slope(x.hi)) * x.bound + x.bound**2 / 2
        bound = np.minimum(passed_on, 1.2 * x.bound)
        bound = bound + 8 * bounds.unit_roundoff(wide) * size
        bound = bound + np.where(size > 0, 2 * bounds.smallest_subnormal(wide), 0)
        if wide != x.dtype:
            rounded = bounds.one_rounding(hi, bound, x.dtype)
            bound = np.where(size > 0, rounded, 0)
        # Doubled it may overflow; and one that overflowed downwards becomes NaN, -inf times 0.
        beyond = 2 * size >= bounds.largest_finite(x.dtype)
    bound = np.where(np.isfinite(hi), bound, 0)
    return Truth(hi, lo, bound, x.may_overflow | beyond, x.dtype)


def _times_itself(
    hi: float, lo: float, function: Callable[[Decimal], Decimal]
) -> tuple[float, float]:
    """Return ``x F(x)`` of one element as a pair."""
    if not math.isfinite(hi):
        return (hi if hi > 0 else math.nan), 0.0
    x = _EXACT.add(Decimal(hi), Decimal(lo))
    y = _EXACT.multiply(x, function(x))
    nearest = float(y)
    return nearest, float(_EXACT.subtract(y, Decimal(nearest)))


def _normal(x: Decimal) -> Decimal:
    """Return Phi(x)."""
    if abs(x) > _TAIL:
        return Decimal(int(x > 0))
    square = _EXACT.multiply(x, x)
    term, total, n = x, x, 1
    while abs(term) > abs(total) * Decimal("1e-50"):
        n += 2
        term = _EXACT.divide(_EXACT.multiply(term, square), Decimal(n))
        total = _EXACT.add(total, term)
    weight = _EXACT.exp(_EXACT.divide(square, Decimal(-2)))
    weight = _EXACT.divide(weight, _EXACT.sqrt(2 * _PI))
    return _EXACT.add(Decimal("0.5"), _EXACT.multiply(weight, total))


def _normal_slope(x: Array) -> Array:
    """Return the derivative of ``x Phi(x)``, near enough for a bound: Phi + x phi."""
    erf = np.array([math.erfc(-v / math.sqrt(2)) for v in x.reshape(-1).tolist()])
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    slope: Array = erf.reshape(x.shape) / 2 + x * density
    return slope + np.copysign(1e-12, slope)


def _sigmoid(x: Decimal) -> Decimal:
    """Return ``1 / (1 + exp(-x))``."""
    if abs(x) > 10000:
        return Decimal(int(x > 0))
    return _EXACT.divide(Decimal(1), _EXACT.add(Decimal(1), _EXACT.exp(-x)))


def _sigmoid_slope(x: Array) -> Array:
    """Return the derivative of ``x S(x)``: ``S (1 + x (1 - S))``."""
    s = 1 / (1 + np.exp(-x))
    slope: Array = s * (1 + np.where(s < 1, x, 0) * (1 - s))
    return np.where(np.isfinite(slope), slope, 0) + 1e-12


@functools.cache
def _scale() -> Decimal:
    """Return ``2 sqrt(2 / pi)``."""
    return 2 * _EXACT.sqrt(_EXACT.divide(Decimal(2), _PI))


def _by_tanh(x: Decimal) -> Decimal:
    """Return ``(1 + tanh v) / 2 = S(2 v)``."""
    if abs(x) > 10000:
        return Decimal(int(x > 0))
    cubic = _EXACT.multiply(Decimal("0.044715"), _EXACT.power(x, 3))
    return _sigmoid(_EXACT.multiply(_scale(), _EXACT.add(x, cubic)))


def _by_tanh_slope(x: Array) -> Array:
    """Return the derivative of ``x S(2 v)``: ``S + x S (1 - S) (2 v)'``."""
    scale = 2 * math.sqrt(2 / math.pi)
    s = 1 / (1 + np.exp(-scale * (x + 0.044715 * x**3)))
    slope: Array = s + s * (1 - s) * x * scale * (1 + 3 * 0.044715 * x * x)
    return np.where(np.isfinite(slope), slope, 1.2) + 1e-12
