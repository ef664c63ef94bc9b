"""Softmax of runs of values, such as the rows of CSR: stable, and a bounded number at a time.

``exp(x - max) / sum exp(x - max)``: with the largest taken off, no exponential overflows
(Blanchard, Higham and Higham, IMA J. Numer. Anal. 41(4), 2021). What is not finite goes by IEEE
arithmetic: ``inf - inf`` is NaN, so a NaN, an inf, or nothing but -inf makes NaN of a whole run.
"""

from collections.abc import Iterator

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.gpu.segments import segment_maxima, segment_sums
from minisparse.kernels.kernel import Work

AT_ONCE = 1 << 16
"""Values that are computed with at once: in float32 a quarter of a level-2 cache."""


def softmax_in_place(x: Array) -> None:
    """Replace ``x`` by its softmax along the last axis.

    Examples
    --------
    >>> x = np.array([[5.0, 5.0], [-np.inf, 1e300]])
    >>> softmax_in_place(x)
    >>> x
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    x -= x.max(axis=-1, keepdims=True, initial=-np.inf)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)


def softmax_runs_in_place(x: Array, indptr: Array) -> None:
    """Replace each run of values ``[P]`` by its softmax, all at once, in their own dtype."""
    counts = np.diff(indptr)
    x -= np.repeat(segment_maxima(x, indptr), counts)
    np.exp(x, out=x)
    x /= np.repeat(segment_sums(x, indptr), counts)


def softmax_of_runs(data: Array, indptr: Array) -> Array:
    """Return the softmax of each run of values, in their own dtype.

    Parameters
    ----------
    data : ndarray, shape (nnz,)
        Run after run, real floating-point.
    indptr : ndarray of int, shape (R + 1,)
        Where each run starts; the last is nnz.

    Examples
    --------
    >>> softmax_of_runs(np.array([7.0, 0.0, 0.0]), np.array([0, 1, 1, 3]))
    array([1. , 0.5, 0.5])
    """
    found, wide = np.empty_like(data), accumulator(data.dtype)
    for first, last in _blocks(indptr):
        slots = slice(int(indptr[first]), int(indptr[last]))
        if last == first + 1:
            _softmax_of_one(data[slots], found[slots])
            continue
        x = data[slots].astype(wide)
        softmax_runs_in_place(x, indptr[first : last + 1] - indptr[first])
        found[slots] = x
    return found


def _blocks(indptr: Array) -> Iterator[tuple[int, int]]:
    """Yield neighboring runs with few enough values together, or a single one."""
    first = 0
    while first < len(indptr) - 1:
        fit = int(np.searchsorted(indptr, indptr[first] + AT_ONCE, "right")) - 1
        last = max(fit, first + 1)
        yield first, last
        first = last


def _softmax_of_one(x: Array, found: Array) -> None:
    """Write the softmax of one run to ``found``, a part at a time however long it is."""
    wide = accumulator(x.dtype)
    parts = [slice(p, p + AT_ONCE) for p in range(0, len(x), AT_ONCE)]
    largest = np.array([x[part].astype(wide).max() for part in parts], wide).max(initial=-np.inf)
    total = np.sum([np.exp(x[part].astype(wide) - largest).sum() for part in parts], dtype=wide)
    for part in parts:
        found[part] = np.exp(x[part].astype(wide) - largest) / total


def softmax_by_row(data: Array, row: Array, rows: int) -> Array:
    """Return the softmax of the values of each row, in any order, in their own dtype.

    Examples
    --------
    >>> softmax_by_row(np.array([0.0, 7.0, 0.0]), np.array([1, 0, 1]), 2)
    array([0.5, 1. , 0.5])
    """
    found, wide = np.empty_like(data), accumulator(data.dtype)
    largest, total = np.full(rows, -np.inf, wide), np.zeros(rows, wide)
    parts = [slice(p, p + AT_ONCE) for p in range(0, len(data), AT_ONCE)]
    for part in parts:
        np.maximum.at(largest, row[part], data[part].astype(wide))
    for part in parts:
        np.add.at(total, row[part], np.exp(data[part].astype(wide) - largest[row[part]]))
    for part in parts:
        weights = np.exp(data[part].astype(wide) - largest[row[part]])
        found[part] = weights / total[row[part]]
    return found


def passes(a: TensorType, gathered: float = 0.0) -> Work:
    """Return the work of some passes over A's values, and of as many indexed accesses.

    Parameters
    ----------
    a : TensorType
        The matrix.
    gathered : float
        Indexed reads and writes for each value.
    """
    calls = 10.0 * (1 + a.nnz // AT_ONCE)
    moved = 10.0 * a.nnz * a.itemsize + a.nnz * a.index_itemsize
    # An exponential takes about as long as ten additions.
    return Work(14.0 * a.nnz, moved, gathered * a.nnz, calls, unit="elementwise")
