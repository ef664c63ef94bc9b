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
    return reduce_segments(np.add, values, indptr, _filled(values, indptr, 0))


def segment_maxima(values: Array, indptr: Array) -> Array:
    """Return the largest of each run of values, NaN if there is one in it; -inf of an empty run.

    Examples
    --------
    >>> segment_maxima(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3]))
    array([  2., -inf,   4.])
    """
    return reduce_segments(np.maximum, values, indptr, _filled(values, indptr, -np.inf))


def reduce_segments(reduce: np.ufunc, values: Array, indptr: Array, out: Array) -> Array:
    """Write the reduction of each run to ``out``, in its dtype; leave what it has for empty runs.

    Parameters
    ----------
    reduce : ufunc
        ``np.add``, ``np.maximum`` and their like.
    values : ndarray, shape (P, ...)
        Run after run.
    indptr : ndarray of int, shape (S + 1,)
        Where each run starts.
    out : ndarray, shape (S, ...)
        Of the dtype in which to reduce.

    Examples
    --------
    >>> reduce_segments(np.minimum, np.array([2, 1, 4]), np.array([0, 2, 2, 3]), np.full(3, 9))
    array([1, 9, 4])
    """
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        out[filled] = reduce.reduceat(values, indptr[filled], axis=0, dtype=out.dtype)
    return out


def _filled(values: Array, indptr: Array, empty: float) -> Array:
    return np.full((len(indptr) - 1, *values.shape[1:]), empty, values.dtype)
