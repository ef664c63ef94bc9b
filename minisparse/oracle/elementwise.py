"""Exact answers of the ops that work element by element, move elements, or choose one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle import bounds
from minisparse.oracle.errorfree import two_product, two_sum
from minisparse.oracle.truth import Truth, by_parts, from_array, widened, wrapped


def relu(x: Truth) -> Truth:
    """Return ``max(x, 0)``; NaN goes through, and what overflowed downwards becomes 0."""
    positive = (x.hi > 0) | np.isnan(x.hi)
    bound = x.bound
    if not x.is_integer:
        bound = np.where(np.isfinite(x.hi), bounds.relu(x.hi, x.bound), 0)
    return replace(x, hi=np.where(positive, x.hi, 0), lo=np.where(positive, x.lo, 0), bound=bound)


def add(x: Truth, y: Truth) -> Truth:
    """Return ``x + y``, broadcast: the errors of both, and one more rounding."""
    dtype = np.result_type(x.dtype, y.dtype)
    x, y = x.as_dtype(dtype), y.as_dtype(dtype)
    overflow = x.may_overflow | y.may_overflow
    with np.errstate(all="ignore"):
        plain = x.hi + y.hi
        if dtype.kind in "biu":
            zero = np.zeros_like(plain)
            return Truth(wrapped(plain, dtype), zero, zero, overflow, dtype)
        hi, lo = two_sum(x.hi, y.hi)
        hi, lo = two_sum(hi, lo + x.lo + y.lo)
        finite = np.isfinite(plain)
        error = x.bound + y.bound
        same = hi.astype(dtype).astype(hi.dtype) == hi
        kept = by_parts(lambda e, rest: (e == 0) & (rest == 0), error, lo)
        rounded = by_parts(
            lambda c, e: bounds.one_rounding(c, e, dtype), hi, error
        ) + 2.0**-104 * by_parts(np.abs, hi)
    bound = np.where(finite, np.where(same & (kept == _all_true(kept)), error, rounded), 0)
    hi, lo = np.where(finite, hi, plain), np.where(finite, lo, 0)
    return Truth(hi, lo, bound, overflow, dtype)


def _all_true(flags: Array) -> complex:
    """Return what :func:`by_parts` makes of a condition that holds for every part."""
    return 1 + 1j if flags.dtype.kind == "c" else 1


def add_bias(c: Truth, bias: Array) -> Truth:
    """Return ``c [M, N] + bias[:, None]``; of a vector ``c + bias``."""
    return add(c, from_array(by_rows(bias, c)))


def by_rows(bias: Array, c: Any) -> Array:
    """Return a bias with an axis of length 1 for every axis of c but the first."""
    return bias.reshape(bias.shape + (1,) * (c.hi.ndim - 1))


def batch_normalization(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return ``(x - mean) / sqrt(var + epsilon) * scale + bias`` of float64 pairs."""
    x, scale, bias, mean, var = (widened(o) for o in operands)
    dtype = np.result_type(*operands)
    epsilon = float(attrs["epsilon"])
    shape = (-1,) + (1,) * (x.ndim - 2)
    alpha = [_inverse_deviation(*s, epsilon) for s in zip(scale, var, strict=True)]
    a_hi, a_lo = (np.array(column).reshape(shape) for column in zip(*alpha, strict=True))
    mean, bias, spread = mean.reshape(shape), bias.reshape(shape), (var + epsilon).reshape(shape)
    with np.errstate(all="ignore"):
        plain = (x - mean) * a_hi + bias
        d, d_lo = two_sum(x, -mean)
        p, p_lo = two_product(d, a_hi)
        s, s_lo = two_sum(p, bias)
        hi, lo = two_sum(s, np.nan_to_num(p_lo) + s_lo + d_lo * a_hi + d * a_lo)
        distance = np.abs(x) + np.abs(mean)
        magnitude = distance * np.abs(a_hi) + np.abs(bias)
        proven = np.where(np.isfinite(p_lo), 2.0**-98, 2.0**-51)
        bound = bounds.batch_normalization(magnitude, spread, distance, dtype)
        bound = bound + proven * magnitude
    finite = np.isfinite(plain)
    hi, lo = np.where(finite, hi, plain), np.where(finite, lo, 0)
    overflow = np.isfinite(x) & (magnitude >= bounds.largest_finite(dtype))
    return Truth(hi, lo, np.where(finite, bound, 0), overflow, dtype)


def _inverse_deviation(scale: float, var: float, epsilon: float) -> tuple[float, float]:
    """Return ``scale / sqrt(var + epsilon)`` as a pair, by decimal arithmetic of 50 digits."""
    if not np.isfinite([scale, var]).all() or var + epsilon <= 0:
        with np.errstate(all="ignore"):
            return float(scale / np.sqrt(np.float64(var + epsilon))), 0.0
    with localcontext(prec=50):
        exact = Decimal(float(scale)) / (Decimal(float(var)) + Decimal(epsilon)).sqrt()
        return float(exact), float(exact - Decimal(float(exact)))


def transpose(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the elements with axes permuted; without ``perm`` reversed."""
    (x,) = operands
    return from_array(np.transpose(x, attrs["perm"]))


def flatten(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the elements as a matrix: axes before ``axis`` are rows, the others columns."""
    (x,) = operands
    axis = attrs["axis"] + (x.ndim if attrs["axis"] < 0 else 0)
    rows = int(np.prod(x.shape[:axis], dtype=int))
    return from_array(
        np.ascontiguousarray(x).reshape(rows, int(np.prod(x.shape[axis:], dtype=int)))
    )
