"""The second oracle's answers of functions of one number: by their series, to many digits."""

import functools
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import accumulator
from tests.oracle.fraction_operands import Attrs, Operands, as_numbers, dtype_of
from tests.oracle.fraction_oracle import (
    Real,
    each,
    exponential,
    held,
    number,
    real,
    times,
)

Answer = Callable[[Operands, Attrs], Any]

DIGITS = 140
"""In which decimal numbers are computed with."""


def as_numpy(function: Any, x: Real, y: Real) -> Real:
    """Return what float64 has where something is not finite, or divided by zero."""
    with np.errstate(all="ignore"):
        return real(float(function(np.float64(x), np.float64(y))))


def _decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / x.denominator


def exp_of(x: Real) -> Real:
    """Return e to the power of x."""
    if not isinstance(x, Fraction):
        return x if x != x or x > 0 else 0.0
    if x > 2000:
        return math.inf
    small = Fraction(exponential(-abs(_decimal(x))))
    return small if x <= 0 else 1 / small


def log_of(x: Real) -> Real:
    """Return ln x by artanh's series, of what is left when powers of two are taken out."""
    if not isinstance(x, Fraction) or x <= 0:
        return -math.inf if x == 0 else x if x == math.inf else math.nan
    twos = x.numerator.bit_length() - x.denominator.bit_length()
    return Fraction(_artanh(x / Fraction(2) ** twos) + twos * _artanh(Fraction(2)))


def _artanh(x: Fraction) -> Decimal:
    """Return ``2 artanh((x - 1) / (x + 1)) = ln x`` for x near 1."""
    ratio = _decimal((x - 1) / (x + 1))
    power, total = ratio, Decimal(0)
    for n in range(1, 300, 2):
        total += power / n
        power *= ratio * ratio
    return 2 * total


@functools.cache
def _pi() -> Decimal:
    """Return pi by Gauss's sum of three arcus tangents."""
    return sum(
        (k * _arctangent(n) for k, n in ((48, 18), (32, 57), (-20, 239))), Decimal(0)
    )  # fmt: skip


def _arctangent(n: int) -> Decimal:
    return sum(
        (Decimal((-1) ** i) / ((2 * i + 1) * Decimal(n) ** (2 * i + 1)) for i in range(60)),
        Decimal(0),
    )


def _sine_of(shift: int) -> Callable[[Real], Real]:
    """Return the function ``sin(x + shift * pi / 2)``."""

    def function(x: Real) -> Real:
        if not isinstance(x, Fraction):
            return math.nan
        if x == 0:
            return Fraction(shift)
        turn = 2 * _pi()
        angle = _decimal(x) + shift * turn / 4
        angle -= turn * (angle / turn).to_integral_value()
        term, total, n = angle, Decimal(0), 1
        while abs(term) > Decimal(10) ** -90:
            total += term
            n += 2
            term *= -angle * angle / (n * (n - 1))
        return Fraction(total)

    return function


def _size(x: Real) -> Real:
    return -x if x < 0 else x


def _tanh(x: Real) -> Real:
    size = exp_of(-2 * _size(x))
    if not isinstance(size, Fraction):
        return math.copysign(1.0, x) if size == size else size
    found = (1 - size) / (1 + size)
    return found if x >= 0 else -found


def _sigmoid(x: Real) -> Real:
    size = exp_of(-_size(x))
    if not isinstance(size, Fraction):
        return float(x > 0) if size == size else size
    return (size if x < 0 else 1) / (1 + size)


def _softplus(x: Real) -> Real:
    if not isinstance(x, Fraction):
        return x if x != x or x > 0 else 0.0
    more = log_of(1 + Fraction(exp_of(-abs(x))))
    return max(x, Fraction(0)) + Fraction(more)


def _erf(x: Real) -> Real:
    """Return erf by its series of alternating terms."""
    if x != x:
        return x
    if _size(x) > 14:
        return math.copysign(1.0, x)
    v = _decimal(Fraction(x))
    term, total, n = v, Decimal(0), 0
    while abs(term) > Decimal(10) ** -90:
        total += term / (2 * n + 1)
        n += 1
        term *= -v * v / n
    return Fraction(2 * total / _pi().sqrt())


def _sqrt(x: Real) -> Real:
    """Return the root by the root of a whole number of many bits."""
    if not isinstance(x, Fraction) or x < 0:
        return x if x == math.inf else math.nan
    bits = 300
    return Fraction(math.isqrt(x.numerator * x.denominator << 2 * bits), x.denominator << bits)


def _reciprocal(x: Real) -> Real:
    return 1 / x if isinstance(x, Fraction) and x else as_numpy(np.divide, 1.0, x)


def _cut(function: Callable[[Fraction], int]) -> Callable[[Real], Real]:
    return lambda x: Fraction(function(x)) if isinstance(x, Fraction) else x


def _sign(x: Real) -> Real:
    return x if x != x else Fraction((x > 0) - (x < 0))


def signed(x: Any, dtype: Any) -> Any:
    """Return an operand as numbers, among which a negative zero is a float and not a fraction."""
    found = as_numbers(x, dtype)
    for at in np.ndindex(*x.shape):
        if found[at] == (0,) and math.copysign(1, float(x[at])) < 0:
            found[at] = (-0.0,)
    return found


def _function(
    function: Callable[[Real], Real], numbers_of: Callable[[Any, Any], Any] = as_numbers
) -> Answer:
    """Return the answer of a function of one real number."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        dtype = dtype_of(operands)
        with localcontext(prec=DIGITS):
            return each(lambda v: held((function(v[0]),), dtype), numbers_of(operands[0], dtype))

    return answer


def _with_parameters(function: Callable[..., Real]) -> Answer:
    """Return the answer of a function of one real number and of the attributes."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        wide = accumulator(dtype_of(operands))
        given = [number(value, wide)[0] for value in attrs.values()]
        return _function(lambda x: function(x, *given))(operands, attrs)

    return answer


def product_of(x: Real, y: Real) -> Real:
    """Return x times y, infinities as IEEE 754 has them."""
    return times((x,), (y,))[0]


def _unit(x: Real) -> Real:
    return x if x != x else Fraction(min(max(x, 0), 1))


def _hard_sigmoid(x: Real, alpha: Real, beta: Real) -> Real:
    scaled = product_of(alpha, x)
    return _unit(scaled + beta if isinstance(scaled, Fraction) else scaled)


def _hard_swish(x: Real) -> Real:
    return product_of(x, _unit(x / 6 + Fraction(1, 2) if isinstance(x, Fraction) else x))


def _elu(x: Real, alpha: Real) -> Real:
    return product_of(alpha, Fraction(exp_of(x)) - 1) if x < 0 else x


ANSWERS: dict[str, Answer] = {
    "abs": _function(_size),
    "sign": _function(_sign),
    "floor": _function(_cut(math.floor)),
    "ceil": _function(_cut(math.ceil)),
    "round": _function(_cut(round)),
    "sqrt": _function(_sqrt),
    "reciprocal": _function(_reciprocal, signed),
    "exp": _function(exp_of),
    "log": _function(log_of),
    "sin": _function(_sine_of(0)),
    "cos": _function(_sine_of(1)),
    "tanh": _function(_tanh),
    "erf": _function(_erf),
    "sigmoid": _function(_sigmoid),
    "softplus": _function(_softplus),
    "leaky_relu": _with_parameters(lambda x, alpha: product_of(alpha, x) if x < 0 else x),
    "elu": _with_parameters(_elu),
    "hard_sigmoid": _with_parameters(_hard_sigmoid),
    "hard_swish": _function(_hard_swish),
}
