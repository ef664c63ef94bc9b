"""Padding: stored values of BSR and n:m that stand for cells beyond the shape of the matrix."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import BSR, NM, Matrix


def fill_outside(a: Matrix, values: Array, number: float) -> None:
    """Write ``number`` to those of ``values`` that stand for cells outside of ``a``.

    Parameters
    ----------
    a : Matrix
        BSR or n:m; other formats store no such values.
    values : ndarray
        Shaped as ``a.data``, ``[nblocks, r, c]`` or ``[M, G * n]``; written to.

    Examples
    --------
    >>> a = BSR(np.ones((1, 1, 2)) * [1, 0], [1], [0, 1], (1, 3))
    >>> values = np.ones((1, 1, 2))
    >>> fill_outside(a, values, -np.inf)
    >>> values
    array([[[  1., -inf]]])
    """
    m, n = a.shape
    if isinstance(a, BSR):
        r, c = a.block
        if m % r:
            values[a.indptr[-2] :, m % r :] = number
        if n % c:
            values[np.flatnonzero(a.indices == n // c), :, n % c :] = number
    elif isinstance(a, NM) and n % a.m:
        last = values[:, values.shape[1] - a.n :]
        last[a.positions[:, values.shape[1] - a.n :] >= n % a.m] = number
