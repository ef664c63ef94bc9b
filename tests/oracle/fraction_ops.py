"""The second oracle's answers of ops: each from its definition, operands all of one dtype."""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from tests.oracle.fraction_cellwise import CELLWISE, array_of
from tests.oracle.fraction_operands import (
    Attrs,
    Operands,
    along,
    as_numbers,
    dtype_of,
    entries_of,
)
from tests.oracle.fraction_oracle import (
    Entry,
    Number,
    add,
    each,
    filled,
    held,
    normalized,
    number,
    numbers,
    of_dense,
    product,
    relu,
    sampled,
    softmax,
    summed,
    times,
    total,
)


def _spmm(operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    dtype = dtype_of(operands)
    cells = product(entries_of(a, dtype), of_dense(b, dtype), dtype)
    return filled(cells, (a.shape[0], b.shape[1]), dtype)


def _spgemm(operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    dtype = dtype_of(operands)
    cells = product(entries_of(a, dtype), entries_of(b, dtype), dtype)
    return filled(cells, (a.shape[0], b.shape[1]), dtype)


def _spmv(operands: Operands, attrs: Attrs) -> Any:
    return _spmm((operands[0], operands[1][:, None]), attrs)[:, 0]


def _spmm_t(operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    dtype = dtype_of(operands)
    turned = [(k, m, value) for m, k, value in entries_of(a, dtype)]
    return filled(product(turned, of_dense(b, dtype), dtype), (a.shape[1], b.shape[1]), dtype)


def _dsmm(operands: Operands, attrs: Attrs) -> Any:
    b, a = operands
    dtype = dtype_of(operands)
    cells = product(of_dense(b, dtype), entries_of(a, dtype), dtype)
    return filled(cells, (b.shape[0], a.shape[1]), dtype)


def _gemm(operands: Operands, attrs: Attrs) -> Any:
    a, b, *c = operands
    dtype = dtype_of(operands)
    a, b = a.T if attrs["transA"] else a, b.T if attrs["transB"] else b
    alpha, beta = (number(attrs[name], dtype) for name in ("alpha", "beta"))
    found = each(lambda y: held(times(alpha, y), dtype), _spmm((a, b), {}))
    if not c:
        return found
    return add(found, each(lambda y: times(beta, y), numbers(c[0], dtype)), dtype)


def _convert(operands: Operands, attrs: Attrs) -> Any:
    x, dtype = operands[0], dtype_of(operands)
    if isinstance(x, Triplets):
        return as_numbers(x, dtype)
    return numbers(x.reshape(x.shape[0], math.prod(x.shape[1:])), dtype)


def _sddmm(operands: Operands, attrs: Attrs) -> Any:
    a, x, y = operands
    dtype = dtype_of(operands)
    mask = entries_of(a, dtype)
    return _placed(mask, sampled(mask, x, y, dtype), a.shape, dtype)


def _softmax(operands: Operands, attrs: Attrs) -> Any:
    (a,) = operands
    dtype = dtype_of(operands)
    if not isinstance(a, Triplets):
        return along(a, attrs["axis"], softmax)
    entries = entries_of(a, dtype)
    found: list[Number] = [()] * len(entries)
    for slots in _by_row(entries):
        for p, y in zip(slots, softmax([float(entries[p][2][0]) for p in slots]), strict=True):
            found[p] = (y,)
    return _placed(entries, found, a.shape, dtype)


def _placed(entries: list[Entry], values: list[Number], shape: Any, dtype: Any) -> Any:
    """Return a matrix of values at the places of entries."""
    found = [(i, k, v) for (i, k, _), v in zip(entries, values, strict=True)]
    return filled(summed(found, dtype), shape, dtype)


def _by_row(entries: list[Entry]) -> list[list[int]]:
    """Return the numbers of the entries of each row that has any."""
    rows: dict[int, list[int]] = {}
    for p, (i, _, _) in enumerate(entries):
        rows.setdefault(i, []).append(p)
    return list(rows.values())


def _decimal(x: Fraction | float) -> Any:
    """Return a score to 70 digits; NaN and infinities as they are."""
    if isinstance(x, float):
        return x
    with localcontext(prec=70):
        return Decimal(x.numerator) / Decimal(x.denominator)


def _attention(operands: Operands, attrs: Attrs) -> Any:
    mask, q, k, v = operands
    dtype = dtype_of(operands)
    with localcontext(prec=70):
        root = Fraction(1 / Decimal(max(1, q.shape[1])).sqrt())
    scale = root if attrs["scale"] is None else Fraction(attrs["scale"])
    entries = entries_of(mask, dtype)
    scores = [times(s, (scale,)) for s in sampled(entries, q, k.T, dtype)]
    found, values = np.empty((mask.shape[0], v.shape[1]), object), numbers(v, dtype)
    found[...] = [[number(0, dtype)]]
    for slots in _by_row(entries):
        weights = softmax([_decimal(scores[p][0]) for p in slots])
        for e in range(v.shape[1]):
            terms = [
                times((w,), values[entries[p][1], e]) for w, p in zip(weights, slots, strict=True)
            ]
            found[entries[slots[0]][0], e] = total(terms, 1)
    return found


def _add_bias(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    x, bias = as_numbers(operands[0], dtype), numbers(operands[1], dtype)
    return add(x, bias if x.ndim == 1 else bias[:, None], dtype)


def _add(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    x, y = (as_numbers(operand, dtype) for operand in operands)
    return add(x, y, dtype)


def _relu(operands: Operands, attrs: Attrs) -> Any:
    (x,) = array_of(operands)
    return relu(x if x.dtype == object else as_numbers(x, x.dtype))


def _batch_normalization(operands: Operands, attrs: Attrs) -> Any:
    x, *others = operands
    found = np.empty(x.shape, object)
    for at in np.ndindex(*x.shape):
        scale, bias, mean, var = (float(o[at[1]]) for o in others)
        found[at] = (normalized(float(x[at]), scale, bias, mean, var, attrs["epsilon"]),)
    return found


def _transpose(operands: Operands, attrs: Attrs) -> Any:
    (x,) = operands
    perm = attrs["perm"] if attrs["perm"] is not None else tuple(range(x.ndim))[::-1]
    found = np.empty([x.shape[axis] for axis in perm], object)
    for at in np.ndindex(*x.shape):
        found[tuple(at[axis] for axis in perm)] = number(x[at], x.dtype)
    return found


def _flatten(operands: Operands, attrs: Attrs) -> Any:
    (x,) = operands
    axis = attrs["axis"] + (x.ndim if attrs["axis"] < 0 else 0)
    found = np.empty((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])), object)
    for flat, at in enumerate(np.ndindex(*x.shape)):
        found[divmod(flat, found.shape[1])] = number(x[at], x.dtype)
    return found


ANSWERS: dict[str, Callable[[Operands, Attrs], Any]] = {
    "spmm": _spmm,
    "spmv": _spmv,
    "spmm_t": _spmm_t,
    "dsmm": _dsmm,
    "spgemm": _spgemm,
    "gemm": _gemm,
    "convert": _convert,
    "sddmm": _sddmm,
    "softmax": _softmax,
    "attention": _attention,
    **CELLWISE,
    "relu": _relu,
    "add": _add,
    "add_bias": _add_bias,
    "batch_normalization": _batch_normalization,
    "transpose": _transpose,
    "flatten": _flatten,
}
MIXING: set[str] = set()
"""Names of the ops whose operands have several dtypes; other samples that mix them are left out."""
KEPT: dict[str, tuple[int, ...]] = {}
"""Operands that are indices, axes or sizes, by position: they keep their values and their dtype."""
for _path in sorted(Path(__file__).parent.glob("fraction_*.py")):
    if _path.stem not in ("fraction_ops", "fraction_cellwise"):
        _module = import_module(f"tests.oracle.{_path.stem}")
        ANSWERS.update(getattr(_module, "ANSWERS", {}))
        MIXING.update(getattr(_module, "MIXING", ()))
        KEPT.update(getattr(_module, "KEPT", {}))
