"""Sampled dense-dense products (SDDMM), exactly: ``data[p] * (x[m] . y[:, n])`` at each slot."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.choices import products, result_dtype
from minisparse.oracle.profile import DEFAULT, Profile
from minisparse.oracle.sums import Sums
from minisparse.oracle.truth import Truth, parts


def exact_sddmm(mask: Triplets, x: Array, y: Array, profile: Profile = DEFAULT) -> Truth:
    """Return the values at the stored positions, in stored order; duplicates each by itself.

    The bound is ``(D + 1) u abs(s) S`` for dots of D terms: one rounding more than a dot, after it
    or before it, for the product with the stored s. Either way something may underflow and then
    be scaled up, or overflow and then be scaled down: ``D eta abs(s)`` and ``eta sum(abs(x) +
    abs(y))`` are allowed for the one, ``may_overflow`` tells of the other.

    Parameters
    ----------
    mask : Triplets
        ``[M, N]``.
    x, y : ndarray, shape (M, D), (D, N)
        The dense factors.

    Examples
    --------
    >>> mask = Triplets(np.array([0]), np.array([0]), np.array([2.0]), (1, 1))
    >>> exact_sddmm(mask, np.array([[3.0, 4.0]]), np.array([[5.0], [6.0]])).hi
    array([78.])
    """
    dtype = result_dtype(profile, mask.data.dtype, x.dtype, y.dtype)
    left, right = x[mask.row], y.T[mask.col]
    dots = _dots(left, right, dtype, profile)
    scaled = dots.scaled_by(mask.data[:, None])
    if dots.is_integer:
        return scaled.truth().map(lambda values: values[:, 0])
    with np.errstate(all="ignore"):
        part = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else accumulator(dtype)
        sizes = np.concatenate([left, right], axis=1).astype(dtype)
        sizes = np.abs(parts(sizes)).astype(np.float64).sum(axis=-1)
        lost = 2 * bounds.smallest_subnormal(part) * sizes.sum(axis=1, keepdims=True)
        lost = np.where(dots.whole, 0, lost * (1 + 1j if dtype.kind == "c" else 1))
        truth = replace(scaled, slack=scaled.slack + lost).truth()
        before = np.abs(parts(mask.data[:, None].astype(dtype))).astype(np.float64).sum(axis=-1)
        overflow = before * sizes.max(axis=1, initial=0, keepdims=True)
    inner = dots.truth()
    beyond = overflow >= bounds.largest_finite(part)
    beyond = (truth.may_overflow | beyond) & np.isfinite(truth.hi)  # else it is infinite anyhow
    truth = replace(truth, may_overflow=inner.may_overflow | beyond)
    return _undecided(truth, inner, mask.data[:, None]).map(lambda values: values[:, 0])


def _dots(left: Array, right: Array, dtype: DType, profile: Profile) -> Sums:
    """Return the products of rows, ``[nnz, D]`` each, as sums of shape ``[nnz, 1]``."""
    count, depth = left.shape
    slots = np.repeat(np.arange(count), depth)
    factors = Triplets(slots, np.arange(count * depth), left.reshape(-1), (count, count * depth))
    dots = products(factors, right.reshape(-1, 1), dtype, profile)
    if dtype.kind == "c":  # a complex s, multiplied in first, leaves no part of x zero
        return replace(dots, terms=np.where(dots.terms > 0, 2 * depth, 0))
    return dots


def _undecided(truth: Truth, dots: Truth, stored: Array) -> Truth:
    """Allow anything where infinity meets a dot whose sign, or being zero, is not certain."""
    if truth.dtype.kind == "c":  # not finite in some part, whatever the dot
        return truth
    free = np.isinf(stored.astype(np.float64)) & bounds.is_vacuous(dots.hi, dots.bound)
    return replace(
        truth,
        hi=np.where(free, 0, truth.hi),
        bound=np.where(free, np.inf, truth.bound),
        may_overflow=truth.may_overflow | free,
    )
