"""The distribution function of the normal distribution, ``Phi(x) = erfc(-x / sqrt 2) / 2``.

The rational approximations are Cody's, "Rational Chebyshev approximations for the error function",
Mathematics of Computation 23, 1969, with the coefficients of his CALERF (netlib, specfun): of erf
near 0, and of ``exp(z**2) erfc(z)`` up to 4 and beyond it. NumPy has no error function.

The tail comes from erfc, not from ``1 + erf``, in which nothing is left of it; and ``exp(-x**2 /
2)`` in two factors, the first with an exponent that is exact, as Cody does it.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.xp import namespace

_NEAR = 0.46875
_MIDDLE = 4.0
_BEYOND = 40.0
"""Phi(-40) is zero in float64, and in everything narrower."""
_SUBNORMAL = {"float32": 12.9, "float64": 37.5}
"""Below minus this, Phi is subnormal: taken for zero, since processors are slow at such numbers."""

_A = (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
      3.77485237685302021e2, 3.20937758913846947e3)  # fmt: skip
_B = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
      2.84423683343917062e3)  # fmt: skip
_C = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
      6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
      1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3)  # fmt: skip
_D = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
      1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
      3.43936767414372164e3, 1.23033935480374942e3)  # fmt: skip
_P = (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
      1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4)  # fmt: skip
_Q = (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
      6.05183413124413191e-2, 2.33520497626869185e-3)  # fmt: skip

_NEARS, _MIDDLES, _FARS = (np.array(pair).T[..., None] for pair in ((_A, _B), (_C, _D), (_P, _Q)))
"""Above and below, ``[power, 2, 1]``."""

LOG_ODDS = (-3.5123397e-9, 2.6452662e-7, -7.9294882e-6, 1.1061238e-4, 6.5189958e-5,
             -7.2666169e-2, -1.5957699)  # fmt: skip
_ERF = (1.4185208e-7, -5.6684735e-6, 8.7637317e-5, -6.1978464e-4, -1.9183081e-4, 1.0276906e-1,
        1.1283793)  # fmt: skip
"""Coefficients of ``x**13``, ``x**11`` and so on down to x. Fitted up to 5 and to
``5 / sqrt 2`` for the least largest error, of Phi (3e-8) and of erf relative to itself (1e-7):
weighted least squares, the weights moved to where the error is largest (Lawson, 1961). Beyond,
neither turns back."""


def normal_distribution(x: Array) -> Array:
    """Return ``Phi(x)`` for float32 or float64, each within a few units in the last place.

    In float32 the middle approximation serves everywhere: at 0 it is off by 5e-12, and where it
    is worse than rounding, beyond z = 10, float32 has no such small numbers.

    Examples
    --------
    >>> normal_distribution(np.array([0.0, 1.0, -40.0, np.nan])).round(6)
    array([0.5     , 0.841345, 0.      ,      nan])
    """
    xp = namespace(x)
    size = xp.minimum(xp.abs(x), x.dtype.type(_BEYOND))
    size += (size > x.dtype.type(_SUBNORMAL[x.dtype.name])) * x.dtype.type(_BEYOND)
    z = size * x.dtype.type(math.sqrt(0.5))
    tail = _quotient(_MIDDLES, z)
    if x.dtype == np.float64:
        _where(z > _MIDDLE, tail, _far, z)
    tail *= _half_gauss(size)
    # 1 - tail, or tail where x is negative: where() would guess at each branch, and often wrong.
    found: Array = xp.copysign(tail, x, out=tail)
    xp.subtract(xp.logical_not(xp.signbit(x)), found, out=found)
    if x.dtype == np.float64:
        _where(z <= _NEAR, found, _near, x)
    return found


def _where(wanted: Array, found: Array, function: Callable[[Array], Array], x: Array) -> None:
    """Write a function of some elements of x; on a device, which it would wait for, of all."""
    if namespace(x) is not np:
        np.copyto(found, function(x), where=wanted)
        return
    some = np.flatnonzero(wanted)
    if some.size:
        found[some] = function(x[some])


def log_odds_against(x: Array) -> Array:
    """Return ``log(Phi(-x) / Phi(x))`` of float32: Phi is one over ``1 + exp`` of it.

    An odd polynomial, in which nothing cancels. What comes of it is Phi within 3e-8 everywhere, not
    more: of a tail smaller than that the digits are lost.

    Examples
    --------
    >>> odds = np.exp(log_odds_against(np.array([0.0, 1.0, -np.inf], np.float32)))
    >>> (1 / (1 + odds)).round(6)
    array([0.5     , 0.841345, 0.      ], dtype=float32)
    """
    return _odd(LOG_ODDS, x)


def error_function(x: Array, out: Array) -> None:
    """Write ``erf(x)`` of float32 or float64, each within a few units in the last place.

    In float32 it is ``tanh(log(Phi(z) / Phi(-z)) / 2)`` with ``z = sqrt(2) x``, by a polynomial of
    its own, since it is the relative error that counts here.

    Examples
    --------
    >>> y = np.empty(4)
    >>> error_function(np.array([0.0, 1.0, -9.0, np.nan]), y)
    >>> y.round(6)
    array([ 0.      ,  0.842701, -1.      ,       nan])
    """
    xp = namespace(x)
    if x.dtype == np.float32:
        xp.tanh(_odd(_ERF, x), out=out)
        return
    size = xp.abs(x)
    found = 1 - 2 * normal_distribution(-math.sqrt(2) * size)
    _where(size <= _NEAR, found, lambda w: w * _quotient(_NEARS, w * w), size)
    xp.copysign(found, x, out=out)


def _odd(coefficients: Sequence[float], x: Array) -> Array:
    """Return an odd polynomial by its coefficients, highest first (Horner)."""
    square = x * x
    sums: Array = square * x.dtype.type(coefficients[0])
    for coefficient in coefficients[1:-1]:
        sums += x.dtype.type(coefficient)
        sums *= square
    sums += x.dtype.type(coefficients[-1])
    sums *= x
    return sums


def _half_gauss(size: Array) -> Array:
    """Return ``exp(-x**2 / 2) / 2``, the square rounded nowhere that it would count."""
    xp = namespace(size)
    coarse = xp.floor(size * 16)
    coarse *= 0.0625
    rest: Array = size - coarse
    rest *= size + coarse
    rest *= -0.5
    coarse *= coarse
    coarse *= -0.5
    xp.exp(rest, out=rest)
    xp.exp(coarse, out=coarse)
    rest *= coarse
    rest *= 0.5
    return rest


def _near(x: Array) -> Array:
    """Return Phi near 0."""
    found: Array = 0.5 + x * _quotient(_NEARS, x * x * 0.5) * (0.5 * math.sqrt(0.5))
    return found


def _far(z: Array) -> Array:
    """Return ``exp(z**2) erfc(z)`` for z above 4."""
    w = 1 / (z * z)
    found: Array = (1 / math.sqrt(math.pi) - w * _quotient(_FARS, w)) / z
    return found


def _quotient(coefficients: Array, z: Array) -> Array:
    """Return the quotient of two polynomials, side by side, highest powers first (Horner)."""
    if namespace(z) is not np:  # numbers go along with a launch, arrays over the bus
        above, below = (_polynomial(column, z) for column in coefficients[..., 0].T.tolist())
        above /= below
        return above
    pairs = coefficients.astype(z.dtype)
    sums: Array = z * pairs[0]
    for pair in pairs[1:-1]:
        sums += pair
        sums *= z
    sums += pairs[-1]
    quotient: Array = sums[0]
    quotient /= sums[1]
    return quotient


def _polynomial(coefficients: Sequence[float], z: Array) -> Array:
    """Return a polynomial, the highest power's coefficient first (Horner)."""
    sums: Array = z * coefficients[0]
    for coefficient in coefficients[1:-1]:
        sums += coefficient
        sums *= z
    sums += coefficients[-1]
    return sums
