"""Multiply a matrix that turns out to hold many zeros: ``C = B @ A``, A dense.

A row of B picks the rows of A that it does not multiply by zero, and no others are read. What is
skipped are products with zero, so an infinite or not-a-number element of A would be missed: it is
for finite A. (Liu et al., "Deja Vu: contextual sparsity for efficient LLMs at inference time", ICML
2023, where activations after ReLU are sparse, and reading weights takes all the time.)
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.kernel import Work

SAMPLED = 4096
"""Elements looked at to tell how many are zero, spread evenly."""


def multiply_live(b: Array, a: Array, out: Array | None = None) -> Array:
    """Return ``b @ a``, reading only rows of A that meet an element of B other than zero.

    Parameters
    ----------
    b : ndarray, shape (N, K)
        Mostly zero.
    a : ndarray, shape (K, M)
        Of the same dtype; finite; its rows one after another in memory.
    out : ndarray, shape (N, M), optional
        Where the result goes.

    Examples
    --------
    >>> a = np.arange(6.0).reshape(3, 2)
    >>> multiply_live(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]), a)
    array([[4., 6.],
           [0., 0.]])
    """
    c = np.empty((len(b), a.shape[1]), a.dtype) if out is None else out
    for row, result in zip(b, c, strict=True):
        live = np.flatnonzero(row)
        np.matmul(row.take(live), a.take(live, axis=0), out=result)
    return c


def live_work(rows: int, terms: int, columns: int, density: float, itemsize: int) -> Work:
    """Return the work of :func:`multiply_live`.

    Parameters
    ----------
    rows, terms, columns : int
        N, K and M.
    density : float
        Elements of B other than zero over all.
    itemsize : int
        Bytes of an element.
    """
    gathered = density * rows * terms * columns
    # What is gathered is read where it lies, written aside, and read there.
    moved = (rows * terms + rows * columns + 3 * gathered) * itemsize
    return Work(2 * gathered, moved, gathered=gathered, calls=5.0 * rows)


def sample_density(x: Array) -> float:
    """Return about what share of an array's elements is not zero; of a small array exactly.

    Examples
    --------
    >>> sample_density(np.array([[0.0, 2.0], [0.0, -1.0]]))
    0.5
    """
    if x.size <= SAMPLED:
        seen = x
    elif x.flags.c_contiguous:
        seen = x.reshape(-1)[:: x.size // SAMPLED | 1]  # an odd step meets every column in turn
    else:
        seen = x[:: -(-x.size // SAMPLED)]
    return float(np.count_nonzero(seen) / max(seen.size, 1))
