"""The second oracle's answers of ops of several numbers: from their definitions, one by one."""

import math
import operator
from collections.abc import Callable
from decimal import localcontext
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import as_dtype
from tests.oracle.fraction_functions import (
    DIGITS,
    Answer,
    as_numpy,
    exp_of,
    log_of,
    product_of,
    signed,
)
from tests.oracle.fraction_operands import Attrs, Operands, as_numbers, dtype_of, largest
from tests.oracle.fraction_oracle import (
    Number,
    Real,
    add,
    each,
    held,
    parts_of,
)


def _pairwise(function: Callable[[Real, Real, Any], Real]) -> Answer:
    """Return the answer of a function of two real numbers and of their dtype."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        dtype = dtype_of(operands)
        x, y = np.broadcast_arrays(*(signed(operand, dtype) for operand in operands))
        with localcontext(prec=DIGITS):
            return each(lambda a, b: held((function(a[0], b[0], dtype),), dtype), x, y)

    return answer


def _neg(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    return each(lambda v: held(_negated(v), dtype), as_numbers(operands[0], dtype))


def _negated(x: Number) -> Number:
    return tuple(-part for part in x)


def _sub(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    a, b = (as_numbers(operand, dtype) for operand in operands)
    return add(a, each(_negated, b), dtype)


def _div(x: Real, y: Real, dtype: Any) -> Real:
    if dtype.kind in "iu":
        return Fraction(math.trunc(Fraction(x) / Fraction(y))) if y else Fraction(0)
    if isinstance(x, Fraction) and isinstance(y, Fraction) and y:
        return x / y
    return as_numpy(np.divide, x, y)


def _mod(operands: Operands, attrs: Attrs) -> Any:
    def rest(x: Real, y: Real, dtype: Any) -> Real:
        if not isinstance(x, Fraction) or not isinstance(y, Fraction) or not y:
            if dtype.kind in "iu":
                return Fraction(0)
            return as_numpy(np.fmod if attrs["fmod"] else np.mod, x, y)
        return x - y * (math.trunc(x / y) if attrs["fmod"] else math.floor(x / y))

    return _pairwise(rest)(operands, attrs)


def _pow(x: Real, y: Real, dtype: Any) -> Real:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        if dtype.kind in "iu" and (x == 0 or abs(x) > 1) and y < 0:
            return Fraction(0)
        if y.denominator == 1 and abs(y) <= 200 and (x or y >= 0):
            return x ** int(y)
        if x > 0:
            exponent = y * Fraction(log_of(x))
            return exp_of(exponent) if abs(exponent) < 2000 else math.inf if exponent > 0 else 0.0
    # Of arrays, for NumPy has other ways where the exponent is one number.
    return as_numpy(lambda a, b: np.power([a, a], [b, b])[0], x, y)


def _most(sign: int) -> Answer:
    """Return the answer of the largest (sign 1) or least (-1)."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        dtype = dtype_of(operands)
        arrays = np.broadcast_arrays(*(as_numbers(operand, dtype) for operand in operands))
        return each(lambda *vs: (sign * largest([(sign * v[0],) for v in vs])[0],), *arrays)

    return answer


def _prelu(x: Real, y: Real, dtype: Any) -> Real:
    return product_of(x, y if y else Fraction(0)) if x < 0 else x


def _told(function: Callable[..., bool]) -> Answer:
    """Return the answer of what is true of numbers."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        dtype = dtype_of(operands)
        arrays = np.broadcast_arrays(*(as_numbers(operand, dtype) for operand in operands))
        return each(lambda *vs: (Fraction(function(*vs)),), *arrays)

    return answer


def _ordered(function: Callable[[Real, Real], bool]) -> Answer:
    return _told(lambda a, b: function(a[0], b[0]))


def _is_inf(operands: Operands, attrs: Attrs) -> Any:
    wanted = [math.inf] * attrs["detect_positive"] + [-math.inf] * attrs["detect_negative"]
    return _told(lambda v: v[0] in wanted)(operands, attrs)


def _where(operands: Operands, attrs: Attrs) -> Any:
    condition, x, y = np.broadcast_arrays(
        *(as_numbers(operand, operand.dtype) for operand in operands)
    )
    return each(lambda c, a, b: a if c[0] else b, condition, x, y)


def _cast(operands: Operands, attrs: Attrs) -> Any:
    source, to = dtype_of(operands), as_dtype(attrs["to"], "cast", plain=True)

    def one(x: Number) -> Number:
        if to.kind == "b":
            return (Fraction(any(part != 0 for part in x)),)
        if to.kind in "iu":
            return held((Fraction(math.trunc(x[0])),), to)
        return x if parts_of(to) == len(x) else (*x, Fraction(0))

    return each(one, as_numbers(operands[0], source))


ANSWERS: dict[str, Answer] = {
    "neg": _neg,
    "sub": _sub,
    "div": _pairwise(_div),
    "mod": _mod,
    "pow": _pairwise(_pow),
    "max": _most(1),
    "min": _most(-1),
    "prelu": _pairwise(_prelu),
    "equal": _told(lambda a, b: all(x == y for x, y in zip(a, b, strict=True))),
    "less": _ordered(operator.lt),
    "greater": _ordered(operator.gt),
    "less_or_equal": _ordered(operator.le),
    "greater_or_equal": _ordered(operator.ge),
    "and": _ordered(lambda a, b: bool(a and b)),
    "or": _ordered(lambda a, b: bool(a or b)),
    "xor": _ordered(operator.ne),
    "not": _told(lambda v: not v[0]),
    "is_nan": _told(lambda v: v[0] != v[0]),
    "is_inf": _is_inf,
    "where": _where,
    "cast": _cast,
}
