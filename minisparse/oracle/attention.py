"""Sparse attention, exactly: ``sum_p w[p] * v[n_p]``, w the softmax of a row's scaled scores.

Scores are exact sums of products (:mod:`minisparse.oracle.sampled`), weights and the last sum have
40 decimal digits. How far a computed result may be off follows from its three parts:

- A score z is computed within e of it. With D terms ``q k``, a stored s and the factor f, each
  multiplied in where one likes, even into q: ``e = abs(f) ((D + 1) u S + 4 u S + underflow)``, S
  the sum of ``abs(s q k)`` (:func:`.bounds.sum_of_products`, and one rounding for each of s, f,
  and what f itself is rounded by: a root and a quotient).
- Weights of scores that are off by e each, all exact otherwise, lie between ``w exp(-e) / sum w
  exp(e)`` and ``w exp(e) / sum w exp(-e)``: numerator and denominator are monotone in each score.
  Expanded to first order that is the condition number of softmax (Blanchard, Higham and Higham, IMA
  J. Numer. Anal. 41(4), 2021, section 2); it is not expanded here, so that large e are safe.
- Their own roundings are those of :func:`.bounds.softmax`, and the last sum's, of n weights that
  err already, those of a sum of products of n + 1 terms: the one more is a division by the sum of
  exponentials that is left to the end (Dao et al., FlashAttention, NeurIPS 2022, algorithm 1).
"""

import functools
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.choices import result_dtype
from minisparse.oracle.profile import DEFAULT, Profile
from minisparse.oracle.sampled import exact_sddmm
from minisparse.oracle.truth import Truth

_EXACT = Context(prec=40)
_BELOW_ALL = -800
"""Below it, exp is under half the smallest subnormal of every dtype."""


class _Row(NamedTuple):
    """The weights of a row's entries, and by how much computed ones may be off."""

    weights: list[Decimal]
    error: Array


def exact_attention(
    mask: Triplets, q: Array, k: Array, v: Array, scale: float | None, profile: Profile = DEFAULT
) -> Truth:
    """Return ``softmax(scale * mask * (q @ k.T)) @ v`` over the stored entries of the mask.

    Parameters
    ----------
    mask : Triplets
        ``[M, N]``; duplicates have weights of their own.
    q, k, v : ndarray, shape (M, D), (N, D), (N, E)
        Queries, keys and values.
    scale : float, optional
        By default ``1 / sqrt(D)``.

    Examples
    --------
    >>> mask = Triplets(np.array([0, 0]), np.array([0, 1]), np.ones(2), (1, 2))
    >>> q, k = np.zeros((1, 1)), np.zeros((2, 1))
    >>> exact_attention(mask, q, k, np.array([[1.0], [2.0]]), None).hi
    array([[1.5]])
    """
    dtype = result_dtype(profile, mask.data.dtype, q.dtype, k.dtype, v.dtype)
    wide = accumulator(dtype) if profile.accumulator == "wide" else dtype
    with np.errstate(all="ignore"):
        mask = mask._replace(data=mask.data.astype(dtype).astype(wide))
        q, k, v = (x.astype(dtype).astype(wide) for x in (q, k, v))
        factor = _factor(scale, q.shape[1])
        scores = exact_sddmm(mask, q, k.T, profile)
        error = _score_errors(mask, q, k, abs(float(factor)), scores)
        shape = len(q), v.shape[1]
        hi, lo, bound = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        overflow = np.zeros(shape, bool)
        for m, slots in _rows(mask):
            row = _softmax(scores.hi[slots], scores.lo[slots], factor, error[slots], wide)
            near = v[mask.col[slots]].astype(np.float64)
            hi[m], lo[m], bound[m], overflow[m] = _weighted(row, near, wide)
            overflow[m] |= np.isinf(error[slots]).any()
        if wide != dtype:
            bound = bounds.one_rounding(hi, bound, dtype)
        empty = np.bincount(mask.row, minlength=len(q)) == 0
        bound = np.where(np.isfinite(hi) & ~empty[:, None], bound, 0)
    return Truth(hi, lo, bound, overflow, dtype)


def _factor(scale: float | None, depth: int) -> Decimal:
    if scale is not None:
        return Decimal(float(scale))
    return _EXACT.divide(Decimal(1), _EXACT.sqrt(Decimal(max(depth, 1))))


def _score_errors(mask: Triplets, q: Array, k: Array, factor: float, scores: Truth) -> Array:
    """Return e for each entry; infinite where a score may overflow on the way."""
    u, eta = bounds.unit_roundoff(scores.dtype), bounds.smallest_subnormal(scores.dtype)
    depth = q.shape[1]
    left, right = (np.abs(x.astype(np.float64)) for x in (q, k))
    stored = np.abs(mask.data.astype(np.float64))
    pairs = np.where(scores.hi == scores.hi, 1, 0)  # NaN needs no bound
    size = np.zeros(len(stored))
    for p in range(0, len(stored), 1 << 12):
        part = slice(p, p + (1 << 12))
        size[part] = (left[mask.row[part]] * right[mask.col[part]]).sum(axis=1)
    size *= stored * (1 + 2.0**-30)
    sums = left.sum(axis=1)[mask.row] + right.sum(axis=1)[mask.col]
    lost = 2 * eta * (1 + stored) * (1 + factor) * (depth + 1 + sums)
    error = factor * ((depth + 1) * u * size * (1 + 8 * u) + 4 * u * size) + lost
    error = np.maximum(error, factor * scores.bound)
    most = bounds.largest_finite(scores.dtype)
    beyond = scores.may_overflow | (size * max(factor, 1) + error >= most)
    beyond |= stored * factor >= most
    beyond |= (left.max(axis=1, initial=0) * factor >= most)[mask.row]
    beyond |= (right.max(axis=1, initial=0) * factor >= most)[mask.col]
    return np.where(pairs & np.isfinite(scores.hi), np.where(beyond, np.inf, error), 0)


def _rows(mask: Triplets) -> Iterator[tuple[int, Array]]:
    """Yield each row that has entries, and their slots."""
    order = np.argsort(mask.row, kind="stable")
    ends = np.flatnonzero(np.diff(mask.row[order], append=-1)) + 1
    for slots in np.split(order, ends[:-1]) if len(order) else []:
        yield int(mask.row[slots[0]]), slots


def _softmax(hi: Array, lo: Array, factor: Decimal, error: Array, wide: DType) -> _Row | None:
    """Return the weights of one row of scores ``hi + lo``, or None where they are all NaN."""
    plain = hi * float(factor)
    if np.isnan(plain).any() or np.isinf(plain.max()):
        return None
    z = [
        _EXACT.multiply(_EXACT.add(Decimal(h), Decimal(low)), factor) if np.isfinite(h) else None
        for h, low in zip(hi.tolist(), lo.tolist(), strict=True)
    ]
    largest = max(x for x in z if x is not None)
    below = [-np.inf if x is None else float(_EXACT.subtract(x, largest)) for x in z]
    exponentials = [
        Decimal(0) if x is None or d < _BELOW_ALL else _EXACT.exp(_EXACT.subtract(x, largest))
        for x, d in zip(z, below, strict=True)
    ]
    total = functools.reduce(_EXACT.add, exponentials)
    weights = [_EXACT.divide(x, total) for x in exponentials]
    distance = -np.array(below)
    return _Row(weights, _weight_errors(weights, distance, float(_EXACT.ln(total)), error, wide))


def _weight_errors(
    weights: list[Decimal], distance: Array, log_total: float, error: Array, wide: DType
) -> Array:
    """Return by how much computed weights may be off; they are from 0 to 1 in any case.

    Parameters
    ----------
    distance : ndarray, shape (n,)
        By how much a score is below the largest; infinite where it is -inf.
    log_total : float
        Logarithm of the sum of ``exp(-distance)``.
    """
    weight, log_weight = np.array([float(w) for w in weights]), -distance - log_total
    certain = np.isinf(distance)
    more = np.where(certain, 0, _grown(weight, log_weight, error))
    fewer = np.where(certain, 0, -weight * np.expm1(-error))
    least, most = max(1 - fewer.sum(), 0.0), 1 + more.sum()
    up = (more + weight * fewer.sum()) / least if least > 0 else np.where(certain, 0, np.inf)
    down = (weight * more.sum() + fewer) / most if np.isfinite(most) else weight
    shifted = np.minimum(np.maximum(up, down), np.where(certain, 0, 1))
    # The computed maximum may be another's: the largest z + e, or no less than the largest's z - e.
    moved = max(float((error - distance)[~certain].max()), float(error[distance == 0].max()))
    # A weight that is certainly 0 is not changed by the distance from which it is taken.
    farther = np.where(certain, 0, distance + error + max(moved, 0.0))
    own = bounds.softmax(np.minimum(weight + shifted, 1), np.minimum(farther, 1e4), wide)
    return np.where(certain, 0, np.minimum(shifted + own, 1))


def _grown(weight: Array, log_weight: Array, error: Array) -> Array:
    """Return ``w (exp(e) - 1)``, also where w is 0 and exp(e) is infinite."""
    small = weight * np.expm1(np.minimum(error, 1))
    grown: Array = np.where(error <= 1, small, np.exp(log_weight + error))
    return grown


def _weighted(row: _Row | None, near: Array, wide: DType) -> tuple[Array, Array, Array, Array]:
    """Return hi, lo, bound and whether it may overflow of ``weights @ near``, column by column."""
    width = near.shape[1]
    nothing = np.zeros(width)
    if row is None:
        return np.full(width, np.nan), nothing, nothing, np.zeros(width, bool)
    finite = np.isfinite(near)
    columns = [[Decimal(x) for x in column] for column in np.where(finite, near, 0).T.tolist()]
    sums = [
        functools.reduce(_EXACT.add, map(_EXACT.multiply, row.weights, column))
        for column in columns
    ]
    hi = np.array([float(x) for x in sums]).reshape(width)
    rest = (_EXACT.subtract(x, Decimal(h)) for x, h in zip(sums, hi.tolist(), strict=True))
    lo = np.array([float(x) for x in rest]).reshape(width)
    size = np.where(finite, np.abs(near), 0)
    weight = np.array([float(w) for w in row.weights])
    count = np.array(len(weight) + 1)
    bound = row.error @ size
    bound = bound + bounds.sum_of_products(count, (weight + row.error) @ size, wide)
    overflow = size.sum(axis=0) >= bounds.largest_finite(wide)
    special = np.where(finite, 0, np.where(weight > 0, 1, 0)[:, None] * near).sum(axis=0)
    # inf times a weight that may be 0, or may not
    doubtful = (row.error >= weight) & (row.error > 0)
    free = (np.isinf(near) & doubtful[:, None]).any(axis=0) & ~np.isnan(near).any(axis=0)
    hi = np.where(free, 0, np.where(np.isfinite(special), hi, special))
    lo = np.where(free | ~np.isfinite(special), 0, lo)
    return hi, lo, np.where(free, np.inf, bound), overflow | free
