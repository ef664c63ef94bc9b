"""Exact answers of functions of several elements: arithmetic, comparisons, choices, casts.

A sum, a quotient and a remainder are rounded once. A power may err by 4 units in the last place,
``8 u`` (OpenCL C 3.0 grants 16), in the dtype that its operands have in common, and is then rounded
to its base's. Integers, bools and what is only chosen must be met exactly: they are computed one
by one with Python's own numbers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator, as_dtype
from minisparse.oracle import bounds, elementwise, functions
from minisparse.oracle.families.elementwise import Answering, below_zero, narrowed, pairs_of
from minisparse.oracle.truth import Truth, by_parts, from_array, widened

Pair = Callable[[Any, Any], Any]


def _met(operands: Sequence[Array], dtype: DType | None = None) -> list[Array]:
    """Return operands in the dtype that they have in common, or another, broadcast."""
    common = np.result_type(*operands) if dtype is None else dtype
    with np.errstate(all="ignore"):
        return list(np.broadcast_arrays(*(x.astype(common) for x in operands)))


def _lists(operands: Sequence[Array]) -> list[list[Any]]:
    """Return elements as Python's numbers."""
    wide = [x if x.dtype.kind in "biu" else widened(x) for x in operands]
    return [x.reshape(-1).tolist() for x in wide]


def _whole(values: Sequence[int], shape: tuple[int, ...], dtype: DType) -> Truth:
    """Return integers, wrapped as their dtype wraps."""
    wrapped = np.array([v % 2**64 for v in values], np.uint64).astype(dtype)
    return from_array(wrapped.reshape(shape))


def _sub(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    a, b = _met(operands)
    if a.dtype.kind in "iu":
        return _whole([x - y for x, y in zip(*_lists((a, b)), strict=True)], a.shape, a.dtype)
    return elementwise.add(from_array(a), from_array(-b))


def _by_fractions(whole: Pair, fraction: Pair, special: Pair) -> Answering:
    """Return the answer of a function that is rounded once, for integers and for fractions.

    Parameters
    ----------
    whole : callable
        Of two integers.
    fraction : callable
        Of two floats, finite, the second not 0: the exact value.
    special : callable
        Of two floats where that is not so.
    """

    def answer(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
        a, b = _met(operands)
        pairs = list(zip(*_lists((a, b)), strict=True))
        if a.dtype.kind in "iu":
            return _whole([whole(x, y) for x, y in pairs], a.shape, a.dtype)
        values: list[Decimal | float] = []
        for x, y in pairs:
            if math.isfinite(x) and math.isfinite(y) and y != 0:
                found = fraction(Fraction(x), Fraction(y))
                values.append(functions.quotient(found.numerator, found.denominator))
            else:
                values.append(special(x, y))
        return _rounded(*pairs_of(values, a.shape), a.dtype)

    return answer


def _rounded(hi: Array, lo: Array, dtype: DType) -> Truth:
    """Return what is rounded once in the dtype that is computed in, and met if that holds it."""
    wide = accumulator(dtype)
    with np.errstate(all="ignore"):
        held = (hi.astype(wide).astype(np.float64) == hi) & (lo == 0)
        error = np.where(held, 0, bounds.one_rounding(hi, np.zeros_like(hi), wide))
        return narrowed(hi, lo, error, dtype)


def _quotient(x: int, y: int) -> int:
    """Return the quotient cut off towards zero; 0 where y is 0."""
    if y == 0:
        return 0
    size = abs(x) // abs(y)
    return size if (x < 0) == (y < 0) else -size


def _special_quotient(x: float, y: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(x) / np.float64(y))


def _remainder(x: Any, y: Any) -> Any:
    """Return ``x - y floor(x / y)``, which has y's sign; 0 for integers where y is 0."""
    return x - y * ((x / y).__floor__() if isinstance(x, Fraction) else x // y) if y else 0


def _rest_in_c(x: Any, y: Any) -> Any:
    """Return ``x - y trunc(x / y)``, which has x's sign; 0 for integers where y is 0."""
    cut = (x / y).__trunc__() if isinstance(x, Fraction) else _quotient(x, y)
    return x - y * cut if y else 0


def _special_rest(x: float, y: float) -> float:
    """Return the remainder where x is not finite, or y is 0 or not finite."""
    return x if math.isfinite(x) and math.isinf(y) else math.nan


def _special_remainder(x: float, y: float) -> float:
    rest = _special_rest(x, y)
    return y if math.isfinite(rest) and rest != 0 and (rest < 0) != (y < 0) else rest


_MOD = (
    _by_fractions(_remainder, _remainder, _special_remainder),
    _by_fractions(_rest_in_c, _rest_in_c, _special_rest),
)


def _pow(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    dtype = operands[0].dtype
    a, b = np.broadcast_arrays(*operands)
    pairs = list(zip(*_lists((a, b)), strict=True))
    if dtype.kind in "iu":
        return _whole([_whole_power(x, y) for x, y in pairs], a.shape, dtype)
    hi, lo = pairs_of([_power(float(x), float(y)) for x, y in pairs], a.shape)
    wide = np.result_type(*(accumulator(x.dtype) for x in operands))
    with np.errstate(all="ignore"):
        error = 8 * bounds.unit_roundoff(wide) * np.abs(hi) + bounds.smallest_subnormal(wide)
        error = np.where((lo == 0) & ((hi == 0) | (hi == 1)), 0, error)
        if wide != dtype and wide.itemsize > accumulator(dtype).itemsize:
            error = bounds.one_rounding(hi, error, dtype)
        return narrowed(hi, lo, error, dtype)


def _whole_power(x: int, y: float) -> int:
    """Return a power of an integer: with a whole exponent wrapped, else cut off towards zero."""
    if isinstance(y, int):
        if y >= 0:
            return pow(x, y, 2**64)
        return x ** (y % 2) if x in (1, -1) else 0
    value = _power(float(x), y)
    return functions.whole_part(value) if isinstance(value, Decimal) else int(value)


def _power(x: float, y: float) -> Decimal | float:
    """Return a power, where something is not finite by C99's rules (F.9.4.4)."""
    if math.isfinite(x) and math.isfinite(y):
        found = functions.power(x, y)
        return math.nan if found is None else found
    return math.pow(x, y)


def _extreme(beyond: Pair) -> Answering:
    """Return the answer of the largest or least of several, NaN if there is one."""

    def answer(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
        first, *others = _met(operands)
        found = first.copy()
        for x in others:
            found = np.where(beyond(x, found) | (x != x), x, found)
            found = np.asarray(found, first.dtype)
        return from_array(found)

    return answer


def _prelu(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    x, slope = _met(operands)
    if x.dtype.kind in "iu":
        pairs = zip(*_lists((x, slope)), strict=True)
        return _whole([a * b if a < 0 else a for a, b in pairs], x.shape, x.dtype)
    return below_zero(x, slope, x.dtype)


def _told(function: Callable[..., bool]) -> Answering:
    """Return the answer of what is true or not of elements, in their common dtype."""

    def answer(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
        given = _met(operands)
        values = [function(*row) for row in zip(*_lists(given), strict=True)]
        return from_array(np.array(values, bool).reshape(given[0].shape))

    return answer


def _is_inf(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    wanted = {math.inf: attrs["detect_positive"], -math.inf: attrs["detect_negative"]}
    return _told(lambda v: bool(wanted.get(v, 0)))(operands, attrs)


def _where(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    dtype = np.result_type(*operands[1:])
    condition, x, y = np.broadcast_arrays(operands[0], *(o.astype(dtype) for o in operands[1:]))
    found = y.copy()
    found[condition] = x[condition]
    return from_array(found)


def _cast(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return numbers cut off towards zero, rounded once, or told to be other than zero."""
    (x,), dtype = operands, as_dtype(attrs["to"], "cast", plain=True)
    (values,) = _lists((x,))
    if dtype.kind == "b":
        return from_array(np.array([v != 0 for v in values], bool).reshape(x.shape))
    if dtype.kind in "iu":
        return _whole([int(v) for v in values], x.shape, dtype)
    if x.dtype.kind == "c" or dtype.kind == "c":
        part = np.zeros((), dtype).real.dtype
        with np.errstate(all="ignore"):
            hi = widened(x).astype(np.complex128)
            bound = by_parts(lambda v: _rounded(v, np.zeros_like(v), part).bound, hi)
        zero = np.zeros_like(hi)
        return Truth(hi, zero, bound, np.zeros(x.shape, bool), dtype)
    if x.dtype.kind in "biu":
        hi, lo = pairs_of([Decimal(int(v)) for v in values], x.shape)
    else:
        hi, lo = widened(x), np.zeros(x.shape)
    return replace(_rounded(hi, lo, dtype), dtype=dtype)


ANSWERS: dict[str, Answering] = {
    "sub": _sub,
    "div": _by_fractions(_quotient, lambda x, y: x / y, _special_quotient),
    "mod": lambda operands, attrs: _MOD[int(attrs["fmod"])](operands, attrs),
    "pow": _pow,
    "max": _extreme(lambda x, found: x > found),
    "min": _extreme(lambda x, found: x < found),
    "prelu": _prelu,
    "equal": _told(lambda a, b: a == b),
    "less": _told(lambda a, b: a < b),
    "greater": _told(lambda a, b: a > b),
    "less_or_equal": _told(lambda a, b: a <= b),
    "greater_or_equal": _told(lambda a, b: a >= b),
    "and": _told(lambda a, b: a and b),
    "or": _told(lambda a, b: a or b),
    "xor": _told(lambda a, b: a != b),
    "not": _told(lambda a: not a),
    "is_nan": _told(math.isnan),
    "is_inf": _is_inf,
    "where": _where,
    "cast": _cast,
}
