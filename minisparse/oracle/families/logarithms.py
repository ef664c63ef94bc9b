"""Exact answers of ``log_softmax`` and ``reduce_log_sum_exp``.

``log_softmax(x) = (x - max) - log s``, ``log_sum_exp(x) = max + log s``, ``s = sum exp(x - max)``,
from exponentials of 50 digits. The bound is that of Blanchard, Higham and Higham, IMA J. Numer.
Anal. 41(4), 2021, section 4, for the maximum taken off first: as in :func:`.bounds.softmax`, the
sum errs by a part ``t = sum y d + n u``, ``d = u abs(x - max) + 6 u``, and its logarithm by ``t /
(1 - t)``, and by ``4 u`` of itself as a computed one; then come one or two rounded differences.
What takes ``max + log s`` off at once errs by u times that, and is not within it.
"""

import functools
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.oracle import bounds
from minisparse.oracle.reductions import kept_and_result
from minisparse.oracle.truth import Truth

_EXACT = Context(prec=50)
_BELOW_ALL = -800
"""Below it, exp is under half the smallest subnormal of every dtype, beside a sum of 1 or more."""


class _Sum(NamedTuple):
    """The logarithm of a row's sum of ``exp(x - largest)``, and by how much it may be off."""

    largest: Decimal
    logarithm: Decimal
    error: float


def log_softmax(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the logarithm of softmax along an axis."""
    (x,) = operands
    wide, moved = accumulator(x.dtype), np.moveaxis(x, attrs["axis"], -1)
    rows = moved.astype(np.float64).reshape(-1, moved.shape[-1]) if x.size else np.zeros((0, 1))
    found = [_log_weights(row, wide) for row in rows]
    parts = np.array(found, np.float64).reshape(-1, 4, rows.shape[1])
    hi, lo, bound, overflow = (
        np.moveaxis(parts[:, i].reshape(moved.shape), -1, attrs["axis"]) for i in range(4)
    )
    return _narrowed(hi, lo, bound, overflow > 0, x.dtype)


def reduce_log_sum_exp(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return the logarithm of the sum of exponentials along axes."""
    (x,) = operands
    kept, result = kept_and_result(x.shape, attrs)
    numbers = np.broadcast_to(np.arange(int(np.prod(kept))).reshape(kept), x.shape).reshape(-1)
    values, wide = x.astype(np.float64).reshape(-1), accumulator(x.dtype)
    found = [_log_sum(values[numbers == i], wide) for i in range(int(np.prod(kept)))]
    hi, lo, bound = np.array(found, np.float64).reshape(-1, 3).T.reshape(3, *result)
    return _narrowed(hi, lo, bound, np.zeros(hi.shape, bool), x.dtype)


def _narrowed(hi: Array, lo: Array, bound: Array, overflow: Array, dtype: DType) -> Truth:
    finite = np.isfinite(hi)
    with np.errstate(all="ignore"):
        if accumulator(dtype) != dtype:
            bound = bounds.one_rounding(hi, bound, dtype)
    return Truth(hi, np.where(finite, lo, 0), np.where(finite, bound, 0), overflow, dtype)


def _sum_of(x: Array, wide: DType) -> _Sum:
    """Return the sum of a row whose largest is finite."""
    largest = Decimal(float(x.max()))
    # All in _EXACT: operators would round as the caller's decimal context says.
    below = [_EXACT.subtract(Decimal(v), largest) for v in x.tolist() if np.isfinite(v)]
    weights = [(d, _EXACT.exp(d)) for d in below if d > _BELOW_ALL]
    total = functools.reduce(_EXACT.add, (w for _, w in weights))
    u = bounds.unit_roundoff(wide)
    wrong = sum(float(_EXACT.divide(w, total)) * (6 - float(d)) for d, w in weights)
    part = min((wrong + len(x)) * u, 0.5)
    logarithm = _EXACT.ln(total)
    return _Sum(largest, logarithm, part / (1 - part) + 4 * u * float(logarithm))


def _log_weights(x: Array, wide: DType) -> tuple[list[float], list[float], list[float], list[bool]]:
    """Return hi, lo, bound, and whether it may overflow, for each element of a row."""
    count = len(x)
    if np.isnan(x).any() or np.isinf(x.max()):  # inf - inf, both of either sign
        return [np.nan] * count, [0.0] * count, [0.0] * count, [False] * count
    row = _sum_of(x, wide)
    exact = [
        _EXACT.subtract(_EXACT.subtract(Decimal(v), row.largest), row.logarithm) for v in x.tolist()
    ]
    hi = [float(y) for y in exact]
    lo = [
        float(_EXACT.subtract(y, Decimal(h))) if np.isfinite(h) else 0.0
        for y, h in zip(exact, hi, strict=True)
    ]
    u, eta = bounds.unit_roundoff(wide), bounds.smallest_subnormal(wide)
    with np.errstate(over="ignore"):
        distance = x.max() - x
        bound = row.error + u * (distance + np.abs(hi) + row.error) * (1 + 2 * u) + eta
        overflow = distance >= bounds.largest_finite(wide)
    return hi, lo, bound.tolist(), overflow.tolist()


def _log_sum(x: Array, wide: DType) -> tuple[float, float, float]:
    """Return hi, lo and the bound of one sum."""
    largest = x.max(initial=-np.inf)
    if not np.isfinite(largest):
        return float(largest), 0.0, 0.0
    row = _sum_of(x, wide)
    y = _EXACT.add(row.largest, row.logarithm)
    bound = bounds.one_rounding(np.array(float(y)), np.array(row.error), wide)
    return float(y), float(_EXACT.subtract(y, Decimal(float(y)))), float(bound)


ANSWERS = {"log_softmax": log_softmax, "reduce_log_sum_exp": reduce_log_sum_exp}
