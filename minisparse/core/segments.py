"""Sums and extremes of runs of entries, such as the rows of CSR: the seam for segmented work.

Array libraries agree on little here, so kernels say what they mean through these functions, and
what a library is fast at is decided in one place.
"""

import numpy as np

from minisparse.core.dtypes import Array


def segment_sums(values: Array, indptr: Array) -> Array:
    """Return the sum of each run of values, in the values' own dtype, in ascending order.

    Parameters
    ----------
    values : ndarray, shape (P, ...)
        Run after run.
    indptr : ndarray of int, shape (S + 1,)
        Where each run starts; the last is P. A run may be empty: its sum is 0.

    Examples
    --------
    >>> segment_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3]))
    array([3., 0., 4.])
    """
    return _reduced(values, indptr, np.add, 0)


def segment_maxima(values: Array, indptr: Array) -> Array:
    """Return the largest of each run of values, NaN if there is one in it; -inf of an empty run.

    Examples
    --------
    >>> segment_maxima(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3]))
    array([  2., -inf,   4.])
    """
    return _reduced(values, indptr, np.maximum, -np.inf)


def _reduced(values: Array, indptr: Array, reduce: np.ufunc, empty: float) -> Array:
    found = np.full((len(indptr) - 1, *values.shape[1:]), empty, values.dtype)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        found[filled] = reduce.reduceat(values, indptr[filled], axis=0, dtype=values.dtype)
    return found
