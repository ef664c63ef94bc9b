"""Softmax over the stored entries of each row, to more digits than any dtype has.

``y = exp(x - max) / sum exp(x - max)``. Exponentials are computed with 40 decimal digits, so the
exact answer is known beyond float64; NaN goes through a whole row, and so does +inf, whose
``inf - inf`` is NaN. An entry of -inf has weight 0, and a row of nothing else is NaN.
"""

import functools
from decimal import Context, Decimal

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.profile import DEFAULT, Profile
from minisparse.oracle.truth import Truth

_EXACT = Context(prec=40)
_BELOW_ALL = -800
"""Below it, exp is under half the smallest subnormal of every dtype, beside the row's largest 1."""


def exact_softmax(a: Triplets, profile: Profile = DEFAULT) -> Truth:
    """Return the values in stored order, with the bounds of :func:`.bounds.softmax`.

    Parameters
    ----------
    a : Triplets
        Of a real floating-point dtype; each entry has a weight of its own, whatever its cell.
    """
    dtype, count = a.data.dtype, len(a.data)
    wide = accumulator(dtype) if profile.accumulator == "wide" else dtype
    x = a.data.astype(np.float64)
    hi, lo, bound = np.zeros(count), np.zeros(count), np.zeros(count)
    order = np.argsort(a.row, kind="stable")
    ends = np.flatnonzero(np.diff(a.row[order], append=-1)) + 1
    for slots in np.split(order, ends[:-1]) if count else []:
        hi[slots], lo[slots], bound[slots] = _row(x[slots], wide)
    with np.errstate(all="ignore"):
        if wide != dtype:
            bound = bounds.one_rounding(hi, bound, dtype)
    bound = np.where(np.isfinite(hi), bound, 0)
    return Truth(hi, lo, bound, np.zeros(count, bool), dtype)


def _row(x: Array, wide: DType) -> tuple[Array, Array, Array]:
    """Return hi, lo and the bound of one row that is computed in ``wide``."""
    if np.isnan(x).any() or np.isinf(x.max()):  # inf - inf, both of either sign
        return np.full(len(x), np.nan), np.zeros(len(x)), np.zeros(len(x))
    with np.errstate(over="ignore"):
        distance = x.max() - x
    largest = Decimal(float(x.max()))
    # All in _EXACT: operators would round as the caller's decimal context says.
    weights = [_EXACT.exp(_EXACT.subtract(Decimal(v), largest)) if d < -_BELOW_ALL else Decimal(0)
               for v, d in zip(x.tolist(), distance.tolist(), strict=True)]  # fmt: skip
    total = functools.reduce(_EXACT.add, weights)
    exact = [_EXACT.divide(w, total) for w in weights]
    hi = np.array([float(y) for y in exact])
    lo = np.array([float(_EXACT.subtract(y, Decimal(h))) for y, h in zip(exact, hi, strict=True)])
    return hi, lo, bounds.softmax(hi, distance, wide)
