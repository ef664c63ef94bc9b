"""The diagonal, and what lies above or below it. Diagonal k holds the cells ``A[m, m + k]``."""

import operator
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.triplets import Triplets
from minisparse.core.xp import namespace
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import add_at
from minisparse.formats.structure.results import in_single_cells


def diagonal(A: Matrix, k: int = 0) -> Array:
    """Return diagonal k as a plain array, duplicates summed; empty where A has no such diagonal.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> from_dense([[1, 2, 0], [0, 3, 4]], "csr").diagonal(1)
    array([2, 4])
    """
    k = _as_diagonal(k, A, "diagonal")
    row, col, data, (m, n) = A.triplets()
    on = _offsets(row, col) == k
    down, across = max(-k, 0), max(k, 0)
    values: Array = namespace(data).zeros(max(min(m - down, n - across), 0), A.dtype)
    add_at(values, row[on] - down, data[on])
    return values


def triu(A: Matrix, k: int = 0) -> Matrix:
    """Return the entries on and above diagonal k, in stored order; BSR and n:m give CSR.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> from_dense([[1, 2], [3, 4]], "csr").triu().to_dense()
    array([[1, 2],
           [0, 4]])
    """
    k = _as_diagonal(k, A, "triu")
    row, col, _, _ = entries = A.triplets()
    return in_single_cells(A, _kept(entries, _offsets(row, col) >= k))


def tril(A: Matrix, k: int = 0) -> Matrix:
    """Return the entries on and below diagonal k; see :func:`triu`."""
    k = _as_diagonal(k, A, "tril")
    row, col, _, _ = entries = A.triplets()
    return in_single_cells(A, _kept(entries, _offsets(row, col) <= k))


def _offsets(row: Array, col: Array) -> Array:
    """Return the diagonal of each entry, in int64: the width of indices may be that of uint8."""
    return col.astype(np.int64) - row


def _kept(entries: Triplets, there: Array) -> Triplets:
    row, col, data, shape = entries
    return Triplets(row[there], col[there], data[there], shape)


def _as_diagonal(k: Any, A: Matrix, where: str) -> int:
    """Return k as an integer, at most one diagonal beyond the corners: all others are alike."""
    try:
        found = operator.index(k)
    except TypeError as error:
        raise UsageError(f"{where}: k is {k!r}: it must be an integer") from error
    return max(-A.shape[0], min(found, A.shape[1]))
