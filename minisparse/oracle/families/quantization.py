"""Exact answers of ``quantize_linear`` and ``dequantize_linear``.

To quantize is to be met exactly: a quotient of IEEE arithmetic is the exact one rounded to its
dtype, and what follows are whole numbers. Rounding a float64 quotient of two numbers of p bits to p
bits gives the same as rounding once, since 53 is at least ``2 p + 2`` (Figueroa, When is double
rounding innocuous?, SIGNUM Newsletter 30(3), 1995).

To dequantize rounds the difference, where it has more bits than the accumulator, and a product.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.oracle import bounds
from minisparse.oracle.errorfree import two_product
from minisparse.oracle.truth import Truth


def quantize_linear(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return ``saturate(round(x / scale) + zero_point)``; NaN counts as 0."""
    x, scale, *zero = operands
    held: DType = np.dtype(zero[0].dtype if zero else attrs["dtype"])
    factor, shift = _spread(x, scale, attrs), _spread(x, zero[0] if zero else np.array(0), attrs)
    quotient = scale.dtype if x.dtype.kind == "i" else np.result_type(x, scale)
    wide, limits = accumulator(quotient), np.iinfo(held)
    found = np.zeros(x.shape, np.int64)
    with np.errstate(all="ignore"):
        parts = (x.astype(wide).astype(np.float64) / factor).astype(quotient).astype(np.float64)
    for at in np.ndindex(x.shape):
        q = float(parts[at])
        if np.isfinite(q):
            y = round(q) + int(shift[at])  # Python rounds halves to even
            found[at] = min(max(y, int(limits.min)), int(limits.max))
        else:
            found[at] = shift[at] if np.isnan(q) else limits.max if q > 0 else limits.min
    nothing = np.zeros_like(found)
    return Truth(found, nothing, nothing, np.zeros(x.shape, bool), held)


def dequantize_linear(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return ``(x - zero_point) * scale``."""
    x, scale, *zero = operands
    dtype, wide = scale.dtype, accumulator(scale.dtype)
    factor, shift = _spread(x, scale, attrs), _spread(x, zero[0] if zero else np.array(0), attrs)
    difference = (x.astype(np.int64) - shift.astype(np.int64)).astype(np.float64)
    u = bounds.unit_roundoff(wide)
    with np.errstate(all="ignore"):
        hi, lo = two_product(difference, factor.astype(np.float64))
        finite = np.isfinite(hi)
        rounded = np.where(np.abs(difference) > 1 / u, 2 * u + u * u, u)
        bound = rounded * np.abs(hi) + np.where(hi == 0, 0, bounds.smallest_subnormal(wide))
        proven = np.isfinite(lo)
        bound = bound + np.where(proven, 0, 2.0**-50 * np.abs(hi))
        if wide != dtype:
            bound = bounds.one_rounding(hi, bound, dtype)
    overflow = np.zeros(x.shape, bool)
    return Truth(hi, np.where(finite & proven, lo, 0), np.where(finite, bound, 0), overflow, dtype)


def _spread(x: Array, values: Array, attrs: Mapping[str, Any]) -> Array:
    """Return one value for each element of X, found by its indices."""
    if values.size == 1 and values.ndim < 2:
        return np.broadcast_to(values.reshape(()), x.shape).astype(np.float64)
    axis = attrs["axis"] % x.ndim
    places: list[Array] = list(np.indices(x.shape, sparse=True))
    if values.ndim == 1:
        chosen = values[places[axis]]
    else:
        places[axis] = places[axis] // attrs["block_size"]
        chosen = values[tuple(places)]
    return np.broadcast_to(chosen, x.shape).astype(np.float64)


ANSWERS = {"quantize_linear": quantize_linear, "dequantize_linear": dequantize_linear}
