"""Exact answers of functions of one element, and how near a right implementation must be.

Functions that choose or cut (``abs``, ``floor`` …) are exact; sqrt and reciprocal are rounded once,
as IEEE 754 demands. The others are known to 40 digits, and may err by some units in the last place
of the dtype that is computed in, each at most ``2 u`` of the value. How many is what OpenCL C 3.0
grants (section 7.4, full profile) or less, and what NumPy's float32 log needs, which errs by 3.83.

============  =====================================================================================
exp, log      3 and 4 units
sin, cos      4 units, wherever the argument lies
tanh, erf     5 units, where OpenCL grants erf 16
sigmoid       ``10 u``: exp's 6, a sum and a quotient; where exp overflows, what is lost is below
              one over the largest number
softplus      ``12 u``: as ``max(x, 0) + log1p(exp(-abs(x)))``, exp's 6, log1p's 4, and a sum
elu           ``8 u abs(alpha)``, in which little of a small result is left: the standard writes
              ``alpha (exp(x) - 1)``
hard_sigmoid  two roundings of ``alpha x + beta``, each at most u of what is added up
hard_swish    the same times x, and ``3 u`` for the other order, ``x clip(x + 3) / 6``
============  =====================================================================================

Each adds the smallest subnormal, twice where there are two steps; and one rounding more where the
result is narrower than what is computed in.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.oracle import bounds, functions
from minisparse.oracle.errorfree import two_sum
from minisparse.oracle.truth import Truth, from_array, widened

Answering = Callable[[Sequence[Array], Mapping[str, Any]], Truth]
Ends = tuple[float, float]


def pairs_of(values: Sequence[Decimal | float], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return exact values as float64 and what that leaves over; floats stand for themselves."""
    hi = [float(v) for v in values]
    lo = [_rest(v, h) for v, h in zip(values, hi, strict=True)]
    return np.array(hi, np.float64).reshape(shape), np.array(lo, np.float64).reshape(shape)


def _rest(value: Decimal | float, nearest: float) -> float:
    if not isinstance(value, Decimal) or not math.isfinite(nearest):
        return 0.0
    return float(functions.difference(value, Decimal(nearest)))


def narrowed(hi: Array, lo: Array, error: Array, dtype: DType) -> Truth:
    """Return the truth of what is computed in the accumulator's dtype and rounded to ``dtype``.

    Parameters
    ----------
    hi, lo : ndarray of float64
        The exact value.
    error : ndarray of float64
        By how much the value in the accumulator may be off.
    dtype : numpy.dtype
        The result's.
    """
    error = np.where(np.isfinite(hi), error, 0)
    if accumulator(dtype) != dtype:
        rounded = bounds.one_rounding(hi, error, dtype)
        kept = (hi.astype(dtype).astype(np.float64) == hi) & (lo == 0) & (error == 0)
        error = np.where(np.isfinite(hi) & ~kept, rounded, 0)
    return Truth(hi, lo, error, np.zeros(hi.shape, bool), dtype)


def _known(
    function: functions.Function,
    ends: Ends,
    units: float,
    domain: Callable[[float], bool] = lambda v: True,
    at_zero: Callable[[float], float] | None = None,
    lost: Callable[[DType], float] = lambda wide: 0.0,
) -> Answering:
    """Return the answer of a function that is known to 40 digits.

    Parameters
    ----------
    function : callable
        From the element, finite and in the domain.
    ends : tuple of float
        At -inf and at inf.
    units : float
        The relative error of a right computation, in u.
    domain : callable
        Where there is a value; elsewhere it is NaN.
    at_zero : callable, optional
        From a zero to the value there, where that is infinite.
    lost : callable
        From the dtype that is computed in to what may be lost besides.
    """

    def value(v: float) -> Decimal | float:
        if math.isnan(v):
            return v
        if math.isinf(v):
            return ends[v > 0]
        if v == 0 and at_zero is not None:
            return at_zero(v)
        return function(Decimal(v)) if domain(v) else math.nan

    def answer(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
        (x,) = operands
        hi, lo = pairs_of([value(v) for v in widened(x).reshape(-1).tolist()], x.shape)
        wide = accumulator(x.dtype)
        u, eta = bounds.unit_roundoff(wide), bounds.smallest_subnormal(wide)
        with np.errstate(all="ignore"):
            error = units * u * np.abs(hi) + 2 * eta + lost(wide)
            error = np.where((hi == 0) & (lo == 0), 0, error)
            return narrowed(hi, lo, error, x.dtype)

    return answer


def _moved(function: Callable[[Array], Array]) -> Answering:
    """Return the answer of a function whose values its own dtype holds."""

    def answer(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
        with np.errstate(all="ignore"):
            return from_array(np.asarray(function(operands[0])).astype(operands[0].dtype))

    return answer


def _sign(x: Array) -> Array:
    sign = (x > 0).astype(np.int8) - (x < 0).astype(np.int8)
    return np.where(x == x, sign.astype(x.dtype), x)


def _cut(function: Callable[[float], float]) -> Answering:
    """Return the answer of a function from Python's floats to whole numbers."""

    def answer(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
        (x,) = operands
        values = [function(v) if math.isfinite(v) else v for v in widened(x).reshape(-1).tolist()]
        return replace(from_array(np.array(values, np.float64).reshape(x.shape)), dtype=x.dtype)

    return answer


def _held(value: float, dtype: DType) -> float:
    """Return a parameter as the dtype that is computed in holds it."""
    return float(np.float64(value).astype(accumulator(dtype)))


def _leaky_relu(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    (x,) = operands
    return below_zero(x, np.full(x.shape, _held(attrs["alpha"], x.dtype)), x.dtype)


def below_zero(x: Array, slope: Array, dtype: DType) -> Truth:
    """Return ``slope * x`` where x is negative, one product and one rounding; else x."""
    wide, unit = accumulator(dtype), bounds.unit_roundoff(accumulator(dtype))
    given = widened(x).astype(np.float64)
    with np.errstate(all="ignore"):
        hi, lo = _pairs_times(given, widened(slope).astype(np.float64))
        error = unit * np.abs(hi) + bounds.smallest_subnormal(wide)
        negative = given < 0
        hi, lo = np.where(negative, hi, given), np.where(negative, lo, 0)
        return narrowed(hi, lo, np.where(negative, error, 0), dtype)


def _pairs_times(x: Array, y: Array) -> tuple[Array, Array]:
    """Return products as pairs; infinities and NaN as IEEE 754 has them."""
    values = []
    for a, b in zip(x.reshape(-1).tolist(), y.reshape(-1).tolist(), strict=True):
        finite = math.isfinite(a) and math.isfinite(b)
        values.append(functions.product(Decimal(a), Decimal(b)) if finite else a * b)
    return pairs_of(values, x.shape)


def _elu(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    (x,) = operands
    alpha, wide = _held(attrs["alpha"], x.dtype), accumulator(x.dtype)
    values: list[Decimal | float] = []
    for v in widened(x).reshape(-1).tolist():
        if v < 0:
            falling = functions.expm1(Decimal(v)) if math.isfinite(v) else Decimal(-1)
            values.append(functions.product(Decimal(alpha), falling))
        else:
            values.append(v)
    hi, lo = pairs_of(values, x.shape)
    error = 8 * bounds.unit_roundoff(wide) * abs(alpha) + 2 * bounds.smallest_subnormal(wide)
    with np.errstate(all="ignore"):
        return narrowed(hi, lo, np.where(widened(x) < 0, error, 0), x.dtype)


def _unit_interval(values: Array, error: Array) -> tuple[Array, Array]:
    """Return values cut to 0 and 1, and by how much what errs so may then be off."""
    cut = np.clip(values, 0, 1)
    return cut, np.maximum(np.clip(values + error, 0, 1) - cut, cut - np.clip(values - error, 0, 1))


def _hard_sigmoid(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    (x,) = operands
    alpha, beta = (_held(attrs[name], x.dtype) for name in ("alpha", "beta"))
    wide = accumulator(x.dtype)
    u, eta = bounds.unit_roundoff(wide), bounds.smallest_subnormal(wide)
    with np.errstate(all="ignore"):
        given = widened(x)
        p, rest = _pairs_times(given, np.full(x.shape, alpha))
        total, more = two_sum(p, np.full(p.shape, beta))
        error = u * (2 * np.abs(p) + np.abs(beta)) + 2 * eta
        hi, error = _unit_interval(total, np.where(np.isfinite(total), error, 0))
        lo = np.where((hi == total) & (hi > 0) & (hi < 1), np.nan_to_num(more) + rest, 0)
        return narrowed(hi, lo, error, x.dtype)


def _hard_swish(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    (x,) = operands
    wide = accumulator(x.dtype)
    u, eta = bounds.unit_roundoff(wide), bounds.smallest_subnormal(wide)
    given = widened(x)
    values: list[Decimal | float] = []
    for v in given.reshape(-1).tolist():
        if math.isfinite(v):
            share = min(Fraction(1), max(Fraction(0), Fraction(v) / 6 + Fraction(1, 2)))
            found = Fraction(v) * share
            values.append(functions.quotient(found.numerator, found.denominator))
        else:  # -inf times 0 is NaN
            values.append(v if v > 0 else math.nan)
    hi, lo = pairs_of(values, x.shape)
    with np.errstate(all="ignore"):
        size = np.abs(given)
        _, share_error = _unit_interval(given / 6 + 0.5, u * (size + 1))
        error = size * share_error + 3 * u * np.abs(hi) + 2 * eta
        return narrowed(hi, lo, np.where(given == 0, 0, error), x.dtype)


def _over_largest(wide: DType) -> float:
    return 1.01 / bounds.largest_finite(wide)


ANSWERS: dict[str, Answering] = {
    "neg": _moved(lambda x: np.zeros_like(x) - x),
    "abs": _moved(lambda x: np.where(x < 0, np.zeros_like(x) - x, x)),
    "sign": _moved(_sign),
    "floor": _cut(math.floor),
    "ceil": _cut(math.ceil),
    "round": _cut(round),
    "sqrt": _known(functions.sqrt, (math.nan, math.inf), 1, lambda v: v >= 0),
    "reciprocal": _known(
        functions.reciprocal, (0, 0), 1, at_zero=lambda v: math.copysign(math.inf, v)
    ),
    "exp": _known(functions.exp, (0, math.inf), 6),
    "log": _known(functions.log, (math.nan, math.inf), 8, lambda v: v > 0, lambda v: -math.inf),
    "sin": _known(functions.sin, (math.nan, math.nan), 8),
    "cos": _known(functions.cos, (math.nan, math.nan), 8),
    "tanh": _known(functions.tanh, (-1, 1), 10),
    "erf": _known(functions.erf, (-1, 1), 10),
    "sigmoid": _known(functions.sigmoid, (0, 1), 10, lost=_over_largest),
    "softplus": _known(functions.softplus, (0, math.inf), 12),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _hard_swish,
}
