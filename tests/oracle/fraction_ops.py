"""The second oracle's answers of ops: each from its definition, operands all of one dtype."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
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
    parts_of,
    product,
    relu,
    summed,
    times,
    total,
)

Operands = Sequence[Any]
Attrs = Mapping[str, Any]


def dtype_of(operands: Operands) -> Any:
    """Return the dtype that all operands have; answers of a previous op have none."""
    found = (x.data.dtype if isinstance(x, Triplets) else x.dtype for x in operands)
    return next(dtype for dtype in found if dtype.kind != "O")


def as_numbers(x: Any, dtype: Any) -> Any:
    """Return an operand as an array of numbers, or as it is where it is one."""
    if isinstance(x, Triplets):
        return filled(summed(_entries(x, dtype), dtype), x.shape, dtype)
    return x if x.dtype == object else numbers(x, dtype)


def _entries(x: Any, dtype: Any) -> list[Entry]:
    """Return stored entries; every cell of what is dense."""
    if not isinstance(x, Triplets):
        return of_dense(x, dtype)
    return [
        (int(i), int(k), number(v, dtype)) for i, k, v in zip(x.row, x.col, x.data, strict=True)
    ]


def _spmm(operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    dtype = dtype_of(operands)
    cells = product(_entries(a, dtype), of_dense(b, dtype), dtype)
    return filled(cells, (a.shape[0], b.shape[1]), dtype)


def _spmv(operands: Operands, attrs: Attrs) -> Any:
    return _spmm((operands[0], operands[1][:, None]), attrs)[:, 0]


def _gemm(operands: Operands, attrs: Attrs) -> Any:
    a, b, *c = operands
    dtype = dtype_of(operands)
    a, b = a.T if attrs["transA"] else a, b.T if attrs["transB"] else b
    alpha, beta = (number(attrs[name], dtype) for name in ("alpha", "beta"))
    found = each(lambda y: held(times(alpha, y), dtype), _spmm((a, b), {}))
    if not c:
        return found
    return add(found, each(lambda y: times(beta, y), numbers(c[0], dtype)), dtype)


def _conv(operands: Operands, attrs: Attrs) -> Any:
    x, w, *bias = operands
    dtype, group = dtype_of(operands), attrs["group"]
    kh, kw = attrs["kernel_shape"] or w.shape[2:]
    top, left, bottom, right = attrs["pads"]
    (sh, sw), (dh, dw) = attrs["strides"], attrs["dilations"]
    height = (x.shape[2] + top + bottom - dh * (kh - 1) - 1) // sh + 1
    width = (x.shape[3] + left + right - dw * (kw - 1) - 1) // sw + 1
    channels = x.shape[1] // group
    weights: dict[int, list[tuple[int, int, int, Number]]] = {m: [] for m in range(w.shape[0])}
    if isinstance(w, Triplets):
        for m, k, v in _entries(w, dtype):
            weights[m].append((k // (kh * kw), k // kw % kh, k % kw, v))
    else:
        for at in np.ndindex(*w.shape):
            weights[at[0]].append((*at[1:], number(w[at], dtype)))
    zero, image = number(0, dtype), numbers(x, dtype)
    found = np.empty((x.shape[0], w.shape[0], height, width), object)
    for at in np.ndindex(*found.shape):
        n, m, i, j = at
        terms = [number(bias[0][m], dtype)] if bias else []
        for c, di, dj, v in weights[m]:
            y, z = i * sh + di * dh - top, j * sw + dj * dw - left
            inside = 0 <= y < x.shape[2] and 0 <= z < x.shape[3]
            seen = image[n, m * group // w.shape[0] * channels + c, y, z] if inside else zero
            terms.append(times(v, seen))
        found[at] = held(total(terms, parts_of(dtype)), dtype)
    return found


def _convert(operands: Operands, attrs: Attrs) -> Any:
    x, dtype = operands[0], dtype_of(operands)
    if isinstance(x, Triplets):
        return as_numbers(x, dtype)
    return numbers(x.reshape(x.shape[0], math.prod(x.shape[1:])), dtype)


def _add_bias(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    return add(as_numbers(operands[0], dtype), numbers(operands[1], dtype)[:, None], dtype)


def _add(operands: Operands, attrs: Attrs) -> Any:
    dtype = dtype_of(operands)
    x, y = (as_numbers(operand, dtype) for operand in operands)
    return add(x, y, dtype)


def _relu(operands: Operands, attrs: Attrs) -> Any:
    (x,) = operands
    return relu(x if x.dtype == object else as_numbers(x, x.dtype))


def _batch_normalization(operands: Operands, attrs: Attrs) -> Any:
    x, *others = operands
    found = np.empty(x.shape, object)
    for at in np.ndindex(*x.shape):
        scale, bias, mean, var = (float(o[at[1]]) for o in others)
        found[at] = (normalized(float(x[at]), scale, bias, mean, var, attrs["epsilon"]),)
    return found


def _max_pool(operands: Operands, attrs: Attrs) -> Any:
    (x,) = operands
    (kh, kw), (sh, sw) = attrs["kernel_shape"], attrs["strides"]
    top, left, bottom, right = attrs["pads"]
    height = (x.shape[2] + top + bottom - kh) // sh + 1
    width = (x.shape[3] + left + right - kw) // sw + 1
    found = np.empty((*x.shape[:2], height, width), object)
    for at in np.ndindex(*found.shape):
        n, c, i, j = at
        rows = range(max(0, i * sh - top), min(x.shape[2], i * sh - top + kh))
        columns = range(max(0, j * sw - left), min(x.shape[3], j * sw - left + kw))
        seen = [number(x[n, c, y, z], x.dtype) for y, z in itertools.product(rows, columns)]
        found[at] = _largest(seen)
    return found


def _largest(seen: list[Number]) -> Number:
    if any(v[0] != v[0] for v in seen):
        return (math.nan,)
    return max(seen, key=lambda v: (Fraction(v[0]) if math.isfinite(v[0]) else v[0],))


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
    "gemm": _gemm,
    "conv": _conv,
    "convert": _convert,
    "relu": _relu,
    "add": _add,
    "add_bias": _add_bias,
    "batch_normalization": _batch_normalization,
    "max_pool": _max_pool,
    "transpose": _transpose,
    "flatten": _flatten,
}
