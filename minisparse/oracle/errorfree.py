"""Error-free transformations: a floating-point operation and exactly what its rounding lost.

All work on whole arrays of float64. A *pair* ``hi + lo`` stands for an exact real number of up
to 106 bits.

Sources: Knuth, The Art of Computer Programming 2, 4.2.2 (two_sum); Dekker, Numerische Mathematik
18, 1971 (splitting, two_product); Ogita, Rump and Oishi, Accurate sum and dot product, SIAM J.
Sci. Comput. 26(6), 2005 (sums of errors).
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array

_SPLITTER = 2.0**27 + 1
_LARGEST_SPLIT = 2.0**995
_SMALLEST_PRODUCT = 2.0**-968


class ExactSum(NamedTuple):
    """A sum as ``hi + lo``, and by how much the true sum may differ from that.

    Attributes
    ----------
    hi, lo : ndarray of float64
        Non-overlapping: ``hi`` is ``hi + lo`` rounded.
    residual : ndarray of float64
        ``abs(true sum - hi - lo)`` is at most this. 0 proves that the pair is exact; inf or NaN
        says that nothing is proven, because something over- or underflowed.
    """

    hi: Array
    lo: Array
    residual: Array


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return ``s = fl(a + b)`` and ``e`` with ``a + b == s + e``, exactly; also for complex.

    Examples
    --------
    >>> two_sum(1.0, 2.0**-60) == (1.0, 2.0**-60)
    True
    """
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def split(a: Array) -> tuple[Array, Array]:
    """Return ``a`` as the sum of two numbers of at most 26 bits; ``abs(a) <= 2**995``."""
    c = _SPLITTER * a
    high = c - (c - a)
    return high, a - high


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return ``p = fl(a * b)`` and ``e`` with ``a * b == p + e``, exactly.

    Where that may not hold, because ``a * b`` or a part of it over- or underflows, e is NaN.

    Examples
    --------
    >>> p, e = two_product(np.float64(1 + 2.0**-40), np.float64(1 + 2.0**-40))
    >>> p == 1 + 2.0**-39, e == 2.0**-80
    (np.True_, np.True_)
    """
    p = a * b
    a1, a2 = split(a)
    b1, b2 = split(b)
    e = a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)
    small = (np.abs(p) < _SMALLEST_PRODUCT) & (a != 0) & (b != 0)
    large = (np.abs(a) > _LARGEST_SPLIT) | (np.abs(b) > _LARGEST_SPLIT)
    return p, np.where(small | large, np.nan, e)


def sum_pairs(terms: Array, errors: Array | None) -> ExactSum:
    """Return the sum of ``terms + errors`` over the first axis.

    Halves are added to each other until one is left (pairwise summation), and what each addition
    loses is added up beside it; what *that* loses is bounded by ``residual``.

    Parameters
    ----------
    terms : ndarray of float64, shape (L, ...)
        The addends; overwritten nowhere.
    errors : ndarray of float64, shape (L, ...), or None
        What is to be added besides; None where it is zero.
    """
    if len(terms) == 0:
        zero = np.zeros(terms.shape[1:])
        return ExactSum(zero, zero, zero)
    s, e, lost = terms, errors, None
    while len(s) > 1:
        half, odd = len(s) // 2, len(s) % 2
        total, e_new = two_sum(s[:half], s[half : 2 * half])
        lost_new = np.zeros_like(total) if lost is None else lost[:half] + lost[half : 2 * half]
        if e is not None:
            e_old, f = two_sum(e[:half], e[half : 2 * half])
            e_new, g = two_sum(e_old, e_new)
            lost_new += np.abs(f) + np.abs(g)
        if odd:
            total = np.concatenate([total, s[-1:]])
            e_new = np.concatenate([e_new, np.zeros_like(s[-1:]) if e is None else e[-1:]])
            lost_new = np.concatenate(
                [lost_new, np.zeros_like(s[-1:]) if lost is None else lost[-1:]]
            )
        s, e, lost = total, e_new, lost_new
    hi, lo = two_sum(s[0], np.zeros_like(s[0]) if e is None else e[0])
    # Rounding of the sum of losses itself: at most one unit in 2**52 for each of its additions.
    return ExactSum(hi, lo, np.zeros_like(hi) if lost is None else lost[0] * (1 + 2.0**-30))
