"""Softmax over the stored entries of each row, to more digits than any dtype has.

``y = exp(x - max) / sum exp(x - max)``. Exponentials are computed with 40 decimal digits, so the
exact answer is known beyond float64; NaN goes through a whole row, and so does +inf, whose
``inf - inf`` is NaN. An entry of -inf has weight 0, and a row of nothing else is NaN.
"""

from decimal import Context, Decimal

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.truth import Truth

_EXACT = Context(prec=40)
_ULPS_OF_EXP = 4
"""How many units of roundoff an implementation's exponential may be off."""
_BELOW_ALL = -800
"""Below it, exp is under half the smallest subnormal of every dtype, beside the row's largest 1."""


def exact_softmax(a: Triplets) -> Truth:
    """Return the values in stored order.

    With ``d = u abs(x - m) + e`` for a rounded difference and an exponential that is wrong by e =
    4 u, a sum of n terms and one division, the bound is ``y (d + sum y d + (n + 1) u)``, to first
    order (Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax
    functions, IMA J. Numer. Anal. 41(4), 2021, section 3).
    """
    dtype, count = a.data.dtype, len(a.data)
    wide = accumulator(dtype)
    x = a.data.astype(np.float64)
    hi, lo, bound = np.zeros(count), np.zeros(count), np.zeros(count)
    order = np.argsort(a.row, kind="stable")
    ends = np.flatnonzero(np.diff(a.row[order], append=-1)) + 1
    for slots in np.split(order, ends[:-1]) if count else []:
        hi[slots], lo[slots], bound[slots] = _row(x[slots], bounds.unit_roundoff(wide))
    with np.errstate(all="ignore"):
        bound = bound + bounds.smallest_subnormal(wide) * (hi != 1)
        if wide != dtype:
            bound = bounds.one_rounding(hi, bound, dtype)
    bound = np.where(np.isfinite(hi), bound, 0)
    return Truth(hi, lo, bound, np.zeros(count, bool), dtype)


def _row(x: Array, u: float) -> tuple[Array, Array, Array]:
    """Return hi, lo and the bound of one row, without underflow's share."""
    if np.isnan(x).any() or np.isinf(x.max()):  # inf - inf, both of either sign
        return np.full(len(x), np.nan), np.zeros(len(x)), np.zeros(len(x))
    distance = x.max() - x
    weights = [_exp(Decimal(v) - Decimal(x.max())) if d < -_BELOW_ALL else Decimal(0)
               for v, d in zip(x.tolist(), distance.tolist(), strict=True)]  # fmt: skip
    total = sum(weights, Decimal(0))
    exact = [_EXACT.divide(w, total) for w in weights]
    hi = np.array([float(y) for y in exact])
    lo = np.array([float(_EXACT.subtract(y, Decimal(h))) for y, h in zip(exact, hi, strict=True)])
    off = np.where(np.isinf(distance), 0, u * distance) + _ULPS_OF_EXP * u
    bound = hi * (off + float(hi @ off) + (len(x) + 1) * u)
    return hi, lo, bound


def _exp(x: Decimal) -> Decimal:
    return _EXACT.exp(x)
