"""Functions of one element to 40 digits and more: what the oracle compares elementwise ops with.

exp, ln and sqrt are Python's decimal ones, which are correctly rounded; the others follow from
them, or from their series, with more digits wherever something cancels. The error function is
``2 / sqrt(pi) exp(-x**2) (x + 2 x**3 / 3 + 4 x**5 / (3 5) + …)``, a series of terms of one sign
(Abramowitz and Stegun, 7.1.6); sine and cosine are Taylor's series after a reduction by pi, which
is computed by the arithmetic-geometric mean (Brent and Salamin, 1976) to as many digits as the
largest float64 needs.
"""

import functools
import math
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext

DIGITS = 50
_REDUCTION = 420
"""Digits of pi: 309 before the point of the largest float64, and as many as are wanted after it."""
_FAR = 10_000
"""Beyond it exp is 0 or infinite in every dtype."""
_ERF_IS_ONE = 11
"""Beyond it erf is 1 to more than 50 digits."""

Function = Callable[[Decimal], Decimal]


def _context(x: Decimal, more: int = 0) -> Context:
    """Return a context of digits enough for a difference of things that are near for small x."""
    small = max(0, -x.adjusted()) if x else 0
    return Context(prec=DIGITS + more + 2 * small, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


def precisely(function: Function) -> Function:
    """Return a function that computes with digits enough for small arguments."""

    @functools.wraps(function)
    def computed(x: Decimal) -> Decimal:
        with localcontext(_context(x)):
            return function(x)

    return computed


@precisely
def exp(x: Decimal) -> Decimal:
    """Return e to the power of x; 0 or infinity where no dtype holds it."""
    if abs(x) > _FAR:
        return Decimal("Infinity") if x > 0 else Decimal(0)
    return x.exp()


@precisely
def log(x: Decimal) -> Decimal:
    """Return the natural logarithm of a positive number."""
    return x.ln()


@precisely
def sqrt(x: Decimal) -> Decimal:
    """Return the root of a number that is not negative."""
    return x.sqrt()


@precisely
def reciprocal(x: Decimal) -> Decimal:
    """Return one over a number other than 0."""
    return 1 / x


@precisely
def tanh(x: Decimal) -> Decimal:
    """Return the hyperbolic tangent, ``(1 - e) / (1 + e)`` with e = exp(-2 abs(x))."""
    if abs(x) > _FAR:
        return Decimal(1).copy_sign(x)
    e = (-2 * abs(x)).exp()
    return ((1 - e) / (1 + e)).copy_sign(x)


@precisely
def expm1(x: Decimal) -> Decimal:
    """Return ``exp(x) - 1`` for x that is not positive."""
    return exp(x) - 1 if x >= -_FAR else Decimal(-1)


@precisely
def sigmoid(x: Decimal) -> Decimal:
    """Return ``1 / (1 + exp(-x))``."""
    if abs(x) > _FAR:
        return Decimal(int(x > 0))
    return 1 / (1 + (-x).exp())


@precisely
def softplus(x: Decimal) -> Decimal:
    """Return ``log(1 + exp(x))``; where exp(x) is small, by the start of its series."""
    if x > 0:
        return x + softplus(-x)
    e = exp(x)
    if e < Decimal("1e-25"):
        return e - e * e / 2 + e * e * e / 3
    with localcontext(Context(prec=DIGITS + 30, Emin=MIN_EMIN, traps=[])):
        return (1 + e).ln()


@precisely
def erf(x: Decimal) -> Decimal:
    """Return the error function, by its series of terms of one sign."""
    if abs(x) > _ERF_IS_ONE:
        return Decimal(1).copy_sign(x)
    square, term, total, n = 2 * x * x, x, x, 1
    while abs(term) > abs(total) * Decimal("1e-55"):
        n += 2
        term = term * square / n
        total += term
    return 2 * total * (-x * x).exp() / pi().sqrt()


def difference(x: Decimal, y: Decimal) -> Decimal:
    """Return ``x - y`` of two that are near."""
    with localcontext(_context(x, 30)):
        return x - y


def product(x: Decimal, y: Decimal) -> Decimal:
    """Return ``x * y``."""
    with localcontext(_context(x, 30)):
        return x * y


def whole_part(x: Decimal) -> int:
    """Return a number cut off towards zero; one that is whole to 20 digits is that."""
    nearest = int(x.to_integral_value())
    return nearest if abs(x - nearest) < Decimal("1e-20") else int(x)


def quotient(x: int, y: int) -> Decimal:
    """Return ``x / y``."""
    with localcontext(_context(Decimal(0), 30)):
        return Decimal(x) / Decimal(y)


def sin(x: Decimal) -> Decimal:
    """Return the sine."""
    return _turned(x, 0)


def cos(x: Decimal) -> Decimal:
    """Return the cosine."""
    return _turned(x, 1)


def _turned(x: Decimal, quarters: int) -> Decimal:
    """Return ``sin(x + quarters * pi / 2)``: what is left of x after whole quarters decides."""
    with localcontext(_context(x, _REDUCTION)):
        whole = (x / (pi() / 2)).to_integral_value()
        rest = x - whole * (pi() / 2)
        place = (int(whole) + quarters) % 4
    with localcontext(_context(rest)):
        found = _series(rest, place % 2)
        return -found if place >= 2 else found


def _series(x: Decimal, even: int) -> Decimal:
    """Return the sine of a small angle or, if ``even``, its cosine."""
    n = 0 if even else 1
    term = total = Decimal(1) if even else x
    while abs(term) > abs(total) * Decimal("1e-55"):
        n += 2
        term = -term * x * x / (n * (n - 1))
        total += term
    return total


@functools.cache
def pi() -> Decimal:
    """Return pi, by the arithmetic-geometric mean: each step doubles the digits."""
    with localcontext(Context(prec=_REDUCTION + 10)):
        a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), 1
        while abs(a - b) > Decimal(10) ** -(_REDUCTION // 2):
            mean = (a + b) / 2
            b, t, a, p = (a * b).sqrt(), t - p * (a - mean) ** 2, mean, 2 * p
        return (a + b) ** 2 / (4 * t)


def power(a: float, b: float) -> Decimal | None:
    """Return ``a**b`` of finite numbers; None where a is negative and b no whole number.

    C's rules decide about 0 and 1 (C99, F.9.4.4): 0 to a negative power is infinite.
    """
    if b == 0 or a == 1:
        return Decimal(1)
    if a < 0 and not float(b).is_integer():
        return None
    odd = float(b).is_integer() and math.fmod(b, 2) != 0
    if a == 0:
        return Decimal(0) if b > 0 else Decimal(math.copysign(math.inf, a if odd else 1.0))
    with localcontext(Context(prec=DIGITS + 30, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])):
        exponent = Decimal(b) * abs(Decimal(a)).ln()
        size = exp(exponent)
        return -size if a < 0 and odd else size
