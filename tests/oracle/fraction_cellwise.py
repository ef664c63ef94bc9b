"""The second oracle's answers of activations, products cell by cell, and reductions."""

import functools
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from tests.oracle.fraction_operands import (
    Attrs,
    Operands,
    as_numbers,
    dtype_of,
    entries_of,
    largest,
)
from tests.oracle.fraction_oracle import (
    Number,
    each,
    exponential,
    held,
    number,
    parts_of,
    summed,
    times,
    total,
)


def _multiply(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    x, y = np.broadcast_arrays(*(as_numbers(operand, dtype) for operand in operands))
    found = each(lambda a, b: held(times(a, b), dtype), x, y)
    for operand in operands:
        if isinstance(operand, Triplets):
            cells = summed(entries_of(operand, dtype), dtype)
            for at in np.ndindex(*found.shape):
                found[at] = found[at] if at in cells else number(0, dtype)
    return found


def _by_distribution(function: Callable[[Decimal], Decimal]) -> Callable[[Operands, Attrs], Any]:
    """Return the answer ``x F(x)``."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        (x,) = operands
        return each(one, x if x.dtype == object else as_numbers(x, x.dtype))

    def one(x: Number) -> Number:
        if not isinstance(x[0], Fraction):
            return (x[0] if x[0] > 0 else math.nan,)
        with localcontext(prec=200):
            return (x[0] * Fraction(function(Decimal(x[0].numerator) / x[0].denominator)),)

    return answer


def array_of(operands: Operands) -> list[Any]:
    """Return the one operand as an array, whatever it is stored as."""
    (x,) = operands
    return [x.to_dense() if isinstance(x, Triplets) else x]


def _gelu(operands: Operands, attrs: Attrs) -> Any:
    function = _normal if attrs["approximate"] == "none" else _normal_by_tanh
    return _by_distribution(function)(array_of(operands), attrs)


def _silu(operands: Operands, attrs: Attrs) -> Any:
    return _by_distribution(_sigmoid)(array_of(operands), attrs)


def _normal(x: Decimal) -> Decimal:
    """Return ``(1 + erf(x / sqrt 2)) / 2`` by erf's series of alternating terms."""
    if abs(x) > 14:
        return Decimal(int(x > 0))
    square = x * x / 2
    term, total, n = x / Decimal(2).sqrt(), Decimal(0), 0
    while abs(term) > Decimal(10) ** -80:
        total += term / (2 * n + 1)
        n += 1
        term *= -square / n
    return (1 + 2 * total / _pi().sqrt()) / 2


def _pi() -> Decimal:
    """Return pi by Machin's formula."""
    return 4 * (4 * _arctangent(5) - _arctangent(239))


@functools.cache
def _arctangent(n: int) -> Decimal:
    """Return ``arctan(1 / n)``."""
    with localcontext(prec=200):
        terms = (Decimal((-1) ** i) / ((2 * i + 1) * Decimal(n) ** (2 * i + 1)) for i in range(150))
        return sum(terms, Decimal(0))


def _sigmoid(x: Decimal) -> Decimal:
    small = exponential(-abs(x))
    return (small if x < 0 else 1) / (1 + small)


def _normal_by_tanh(x: Decimal) -> Decimal:
    return _sigmoid(2 * (2 / _pi()).sqrt() * (x + Decimal("0.044715") * x * x * x))


def _clip(operands: Operands, attrs: Attrs) -> Any:
    (x,) = array_of(operands)
    found = x if x.dtype == object else as_numbers(x, x.dtype)
    dtype = np.dtype("float64") if x.dtype == object else x.dtype
    low, high = (None if attrs[n] is None else number(attrs[n], dtype) for n in ("min", "max"))

    def limited(v: Number) -> Number:
        v = low if low is not None and v[0] < low[0] else v
        return high if high is not None and v[0] > high[0] else v

    return each(limited, found)


def lines_of(x: Any, attrs: Attrs) -> Any:
    """Return the list of numbers that make each result, and how many cells there are."""
    gone = {axis % x.ndim for axis in attrs["axes"] or range(x.ndim)}
    kept = tuple(1 if i in gone else n for i, n in enumerate(x.shape))
    found = np.empty(kept, object)
    for at in np.ndindex(*kept):
        found[at] = []
    for at in np.ndindex(*x.shape):
        found[tuple(0 if i in gone else n for i, n in enumerate(at))].append(x[at])
    shape = [n for i, n in enumerate(x.shape) if i not in gone]
    return found if attrs["keepdims"] else found.reshape(shape)


def _reduce_sum(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    lines = lines_of(as_numbers(operands[0], dtype), attrs)
    return each(lambda line: held(total(line, parts_of(dtype)), dtype), lines)


def _reduce_mean(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    lines = lines_of(as_numbers(operands[0], dtype), attrs)

    def mean(line: list[Number]) -> Number:
        if not line:
            return (math.nan,) * parts_of(dtype)
        parts = total(line, parts_of(dtype))
        return tuple(v / len(line) if isinstance(v, Fraction) else v for v in parts)

    return each(mean, lines)


def _reduce_max(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    none = _limits(dtype)[0]
    lines = lines_of(as_numbers(operands[0], dtype), attrs)
    return each(lambda line: largest([*line, (none,)]), lines)


def _reduce_min(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    none = _limits(dtype)[1]
    lines = lines_of(as_numbers(operands[0], dtype), attrs)
    return each(lambda line: (-largest([(-v[0],) for v in [*line, (none,)]])[0],), lines)


def _limits(dtype: Any) -> tuple[Fraction | float, Fraction | float]:
    if dtype.kind == "b":
        return Fraction(0), Fraction(1)
    if dtype.kind in "iu":
        return Fraction(int(np.iinfo(dtype).min)), Fraction(int(np.iinfo(dtype).max))
    return -math.inf, math.inf


CELLWISE: dict[str, Callable[[Operands, Attrs], Any]] = {
    "gelu": _gelu,
    "silu": _silu,
    "clip": _clip,
    "multiply": _multiply,
    "reduce_sum": _reduce_sum,
    "reduce_mean": _reduce_mean,
    "reduce_max": _reduce_max,
    "reduce_min": _reduce_min,
}
