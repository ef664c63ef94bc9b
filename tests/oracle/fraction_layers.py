"""The second oracle's answers of matrix products, normalizations, norms and quantization."""

import itertools
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np

from tests.oracle.fraction_cellwise import lines_of
from tests.oracle.fraction_operands import Attrs, Operands, along, dtype_of
from tests.oracle.fraction_oracle import (
    Number,
    Real,
    each,
    exponential,
    held,
    number,
    numbers,
    parts_of,
    real,
    times,
    total,
)

_ONE: Number = (Fraction(1),)


def _matmul(operands: Operands, attrs: Attrs) -> Any:
    """Write the product as an equation, its stack by an ellipsis."""
    a, b = operands
    left, right = "...mk" if a.ndim > 1 else "k", "...kn" if b.ndim > 1 else "k"
    result = "..." + "m" * (a.ndim > 1) + "n" * (b.ndim > 1)
    return _einsum(operands, {"equation": f"{left},{right}->{result}"})


def _einsum(operands: Operands, attrs: Attrs) -> Any:
    """Sum over all letters that the result lacks, one product after another."""
    dtype = dtype_of(operands)
    inputs, output = _terms(attrs["equation"], [x.ndim for x in operands])
    arrays = [numbers(x, dtype) for x in operands]
    sizes: dict[str, int] = {}
    for term, x in zip(inputs, operands, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            sizes[c] = max(n, sizes.get(c, 0)) if n and sizes.get(c, 1) else 0
    summed = [c for c in sizes if c not in output]
    found = np.empty([sizes[c] for c in output], object)
    for at in np.ndindex(*found.shape):
        here = dict(zip(output, at, strict=True))
        terms = []
        for inner in itertools.product(*(range(sizes[c]) for c in summed)):
            here.update(zip(summed, inner, strict=True))
            value: Number = number(1, dtype)
            for term, x in zip(inputs, arrays, strict=True):
                places = zip(term, x.shape, strict=True)
                value = times(value, x[tuple(here[c] if n > 1 else 0 for c, n in places)])
            terms.append(value)
        found[at] = held(total(terms, parts_of(dtype)), dtype)
    return found


def _terms(equation: str, ndims: list[int]) -> tuple[list[str], str]:
    """Return a letter for each dimension; digits count those of an ellipsis, from the last."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = []
    for term, ndim in zip(left.split(","), ndims, strict=True):
        hidden = ndim - len(term.replace("...", ""))
        inputs.append(term.replace("...", "".join(map(str, reversed(range(hidden))))))
    every = "".join(inputs)
    dots = "".join(sorted({c for c in every if c.isdigit()}, reverse=True))
    if not arrow:
        output = "..." + "".join(
            sorted(c for c in set(every) if every.count(c) == 1 and c.isalpha())
        )
    return inputs, output.replace("...", dots)


def _row(x: list[float], epsilon: float, centered: bool) -> list[Real]:
    """Return one row, less its mean, over the root of its variance and epsilon."""
    if any(v != v for v in x) or (centered and any(map(math.isinf, x))):
        return [math.nan] * len(x)
    if any(map(math.isinf, x)):
        return [math.nan if math.isinf(v) else Fraction(0) for v in x]
    exact = [Fraction(v) for v in x]
    mean = sum(exact, Fraction(0)) / len(x) if centered else Fraction(0)
    variance = sum(((v - mean) ** 2 for v in exact), Fraction(0)) / len(x) + Fraction(epsilon)
    return [(v - mean) / _root(variance) for v in exact]


def _root(x: Fraction) -> Fraction:
    with localcontext(prec=90):
        return Fraction((Decimal(x.numerator) / Decimal(x.denominator)).sqrt())


def _scaled(y: Number, scale: Number, bias: Number) -> Number:
    return total([times(y, scale), bias], 1)


def _normalized(centered: bool) -> Callable[[Operands, Attrs], Any]:
    """Return the answer of the two that normalize the last axes."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        x, *factors = operands
        axis = attrs["axis"] % x.ndim
        rows = x.reshape(*x.shape[:axis], math.prod(x.shape[axis:]))
        found = along(rows, -1, lambda row: _row(row, attrs["epsilon"], centered))
        zero = np.zeros((), x.dtype)
        scale, bias = (np.broadcast_to(numbers(o, x.dtype), x.shape) for o in (*factors, zero)[:2])
        return each(_scaled, found.reshape(x.shape), scale, bias)

    return answer


def _by_groups(operands: Operands, groups: int, epsilon: float) -> Any:
    x, scale, bias = operands
    count = math.prod(x.shape[1:])
    rows = x.reshape(x.shape[0] * groups, count // max(groups, 1))
    found = along(rows, -1, lambda row: _row(row, epsilon, True)).reshape(x.shape)
    for at in np.ndindex(*x.shape):
        factors = (number(o[at[1]], x.dtype) for o in (scale, bias))
        found[at] = _scaled(found[at], *factors)
    return found


def _reduced(function: Callable[[list[Number]], Real]) -> Callable[[Operands, Attrs], Any]:
    """Return the answer that is a function of all numbers along the axes."""

    def answer(operands: Operands, attrs: Attrs) -> Any:
        dtype = dtype_of(operands)
        lines = lines_of(numbers(operands[0], dtype), attrs)
        return each(lambda line: held((function(line),), dtype), lines)

    return answer


def _l1(line: list[Number]) -> Real:
    return total([v if v[0] >= 0 or v[0] != v[0] else (-v[0],) for v in line], 1)[0]


def _squares(line: list[Number]) -> Real:
    return total([times(v, v) for v in line], 1)[0]


def _l2(line: list[Number]) -> Real:
    squares = _squares(line)
    return _root(squares) if isinstance(squares, Fraction) else squares


def _prod(line: list[Number]) -> Real:
    value = _ONE
    for v in line:
        value = times(value, v)
    return value[0]


def _log_sum(row: list[float]) -> Real:
    """Return the logarithm of the sum of exponentials."""
    if not row or any(v != v for v in row) or math.isinf(max(row)):
        return math.nan if any(v != v for v in row) else max(row, default=-math.inf)
    with localcontext(prec=70):
        largest = Decimal(max(row))
        weights = [exponential(Decimal(v) - largest) for v in row if v > -math.inf]
        return Fraction(largest + sum(weights, Decimal(0)).ln())


def _log_softmax(row: list[float]) -> list[Real]:
    if any(v != v for v in row) or math.isinf(max(row)):
        return [math.nan] * len(row)
    log_sum = _log_sum(row)
    return [real(v) - log_sum if v > -math.inf else v for v in row]


def _quantize(operands: Operands, attrs: Attrs) -> Any:
    x, scale, *zero = operands
    held_in = zero[0].dtype if zero else np.dtype(attrs["dtype"])
    low, high = (int(limit) for limit in (np.iinfo(held_in).min, np.iinfo(held_in).max))
    dtype = scale.dtype if x.dtype.kind == "i" else x.dtype
    found = np.empty(x.shape, object)
    for at in np.ndindex(*x.shape):
        shift = int(_shared(zero[0], at, x.shape, attrs)) if zero else 0
        y = _quotient(float(x[at]), float(_shared(scale, at, x.shape, attrs)), dtype)
        if math.isnan(y):
            y = Fraction(0)
        elif math.isinf(y):
            y = Fraction(10**9 if y > 0 else -(10**9))
        found[at] = (Fraction(min(max(round(Fraction(y)) + shift, low), high)),)
    return found


def _quotient(x: float, scale: float, dtype: Any) -> Any:
    """Return the nearest number of a dtype."""
    if scale == 0 or not math.isfinite(x):
        with np.errstate(all="ignore"):
            return float(np.float64(x) / np.float64(scale))
    with np.errstate(all="ignore"):
        return float(np.asarray(float(Fraction(x) / Fraction(scale))).astype(dtype))


def _dequantize(operands: Operands, attrs: Attrs) -> Any:
    x, scale, *zero = operands
    found = np.empty(x.shape, object)
    for at in np.ndindex(*x.shape):
        shift = int(_shared(zero[0], at, x.shape, attrs)) if zero else 0
        factor = number(_shared(scale, at, x.shape, attrs), scale.dtype)
        found[at] = times((Fraction(int(x[at]) - shift),), factor)
    return found


def _shared(values: Any, at: tuple[int, ...], shape: tuple[int, ...], attrs: Attrs) -> Any:
    """Return the value that belongs to an element."""
    if values.size == 1 and values.ndim < 2:
        return values.item()
    axis = attrs["axis"] % len(shape)
    if values.ndim == 1:
        return values[at[axis]]
    return values[(*at[:axis], at[axis] // attrs["block_size"], *at[axis + 1 :])]


MIXING = {"quantize_linear", "dequantize_linear"}
ANSWERS: dict[str, Callable[[Operands, Attrs], Any]] = {
    "matmul": _matmul,
    "einsum": _einsum,
    "layer_normalization": _normalized(centered=True),
    "rms_normalization": _normalized(centered=False),
    "instance_normalization": lambda x, attrs: _by_groups(x, x[0].shape[1], attrs["epsilon"]),
    "group_normalization": lambda x, attrs: _by_groups(x, attrs["num_groups"], attrs["epsilon"]),
    "reduce_l1": _reduced(_l1),
    "reduce_l2": _reduced(_l2),
    "reduce_prod": _reduced(_prod),
    "reduce_sum_square": _reduced(_squares),
    "reduce_log_sum_exp": _reduced(lambda line: _log_sum([float(v[0]) for v in line])),
    "log_softmax": lambda x, attrs: along(x[0], attrs["axis"], _log_softmax),
    "quantize_linear": _quantize,
    "dequantize_linear": _dequantize,
}
