"""Sampled dense-dense products (SDDMM), exactly: ``data[p] * (x[m] . y[:, n])`` at each slot."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.sums import exact_products
from minisparse.oracle.truth import Truth


def exact_sddmm(mask: Triplets, x: Array, y: Array) -> Truth:
    """Return the values at the stored positions, in stored order; duplicates each by itself.

    The bound is ``(D + 1) u abs(s) S``, for dots of D terms: one rounding more than a dot, before
    or after it, for the product with the stored s.

    Parameters
    ----------
    mask : Triplets
        ``[M, N]``.
    x, y : ndarray, shape (M, D), (D, N)
        The dense factors.
    """
    dtype = np.result_type(mask.data.dtype, x, y)
    count, depth = len(mask.data), x.shape[1]
    slots = np.repeat(np.arange(count), depth)
    factors = Triplets(
        slots, np.arange(count * depth), x[mask.row].reshape(-1), (count, count * depth)
    )
    beside = y.T[mask.col].reshape(-1, 1)
    dots = exact_products(factors, beside, dtype)
    truth = dots.scaled_by(mask.data[:, None]).truth()
    overflow = truth.may_overflow | dots.truth().may_overflow
    return replace(truth, may_overflow=overflow).map(lambda values: values[:, 0])
