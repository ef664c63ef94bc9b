"""Exact values as plain arrays: ``hi``, ``lo``, ``bound`` and ``special``, and back again.

A result y is right where ``abs(y - hi - lo) <= bound``, computed in float64, if ``special`` is 0.
"""

from collections.abc import Mapping

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.oracle.bounds import reaches_infinity
from minisparse.oracle.truth import Truth, joined, parts

VALUES = "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
"""Dtypes that results may have, besides bfloat16."""
FINITE, NAN, PLUS_INF, MINUS_INF, INF_ALLOWED, ANY_ALLOWED = range(6)
"""What ``special`` says; the last two: within the bound, or else infinite with the sign of ``hi``,
or else infinite or NaN. A complex element that is special is 1: some part of it is not finite."""
_ROOM = 1 + 2.0**-40
"""For the roundings of the comparison itself, as in :func:`minisparse.oracle.judge`."""


def to_values(truth: Truth) -> dict[str, Array]:
    """Return the arrays of a truth; those that are zero throughout are left out, but ``hi`` is not.

    Complex numbers are two float64 along a new last axis, in all but ``special``.
    """
    if truth.is_integer:
        return {"hi": truth.hi.astype(np.int64)}
    special = _special(truth)
    is_complex = truth.hi.dtype.kind == "c"
    hi, lo, bound = (parts(x) if is_complex else x for x in (truth.hi, truth.lo, truth.bound))
    closed = (special > FINITE) & (special < INF_ALLOWED)
    closed = closed[..., None] if is_complex else closed
    found = {
        "hi": np.where(np.isnan(hi), np.nan, hi),
        "lo": np.where(closed, 0.0, lo),
        "bound": np.where(closed, 0.0, bound * _ROOM),
        "special": special,
    }
    return {name: x for name, x in found.items() if name == "hi" or x.any()}


def from_values(values: Mapping[str, Array], dtype: DType) -> Truth:
    """Return the truth that :func:`to_values` took apart; its bounds have grown by 2**-40."""
    hi = values["hi"]
    lo, bound = (values.get(name, np.zeros_like(hi)) for name in ("lo", "bound"))
    if dtype.kind == "c":
        hi, lo, bound = (joined(x[..., 0], x[..., 1]) for x in (hi, lo, bound))
    special = values.get("special", np.zeros(hi.shape, np.uint8))
    return Truth(hi, lo, bound, special == ANY_ALLOWED, dtype)


def _special(truth: Truth) -> Array:
    """Return for each element which of the five it is."""
    hi, is_complex = truth.hi, truth.hi.dtype.kind == "c"
    dtype = np.dtype(f"f{truth.dtype.itemsize // 2}") if is_complex else truth.dtype
    reaches = reaches_infinity(parts(hi), parts(truth.bound), dtype).any(axis=-1)
    found = np.where(reaches, INF_ALLOWED, FINITE)
    found = np.where(truth.may_overflow, ANY_ALLOWED, found)
    if is_complex:
        return np.where(np.isfinite(hi), found, NAN).astype(np.uint8)
    found = np.where(np.isnan(hi), NAN, found)
    closed = np.isinf(hi) & ~truth.may_overflow
    found = np.where(closed, np.where(hi > 0, PLUS_INF, MINUS_INF), found)
    return found.astype(np.uint8)
