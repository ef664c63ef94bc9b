"""The stored entries row by row, and the product with one column: only stored entries are touched.

``y[m] = sum_p data[p] * x[indices[p]]``: one gather, one multiplication, and one segmented sum. No
padding, so an infinite x meets no zero that is not stored (docs/language.md, rule S1).
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.formats import CSR, Matrix
from minisparse.formats.compressed import group
from minisparse.kernels.wide import wide_dtype


class StoredRows(NamedTuple):
    """Entries in the order of their rows.

    Attributes
    ----------
    data : ndarray, shape (nnz,)
        Values, in the dtype in which their products are summed.
    indices : ndarray of intp, shape (nnz,)
        The column of each.
    rows : ndarray of intp
        The rows that hold any entry, ascending.
    starts : ndarray of intp, shape as ``rows``
        Where each of them starts.
    shape : tuple of int
        ``(M, K)``.
    dtype : numpy.dtype
        The matrix's own.
    """

    data: Array
    indices: Array
    rows: Array
    starts: Array
    shape: tuple[int, int]
    dtype: DType

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.data.nbytes + self.indices.nbytes + self.rows.nbytes + self.starts.nbytes


def stored_rows(a: Matrix) -> StoredRows:
    """Return the entries of any matrix in the order of its rows; duplicates stay apart."""
    if isinstance(a, CSR):
        data, indices, indptr = a.data, a.indices, a.indptr
    else:
        row, col, values, _ = a.triplets()
        data, indices, indptr = group(row, col, values, a.shape[0])
    rows = np.flatnonzero(np.diff(indptr))
    return StoredRows(
        data.astype(wide_dtype(data), copy=False),
        indices.astype(np.intp),
        rows,
        indptr[rows].astype(np.intp),
        a.shape,
        a.dtype,
    )


def times_vector(a: StoredRows, x: Array) -> Array:
    """Return ``A @ x`` for a vector x ``[K]`` of at least the dtype in which it is summed."""
    products = a.data * x[a.indices]
    y = np.zeros(a.shape[0], products.dtype)
    if len(a.rows):
        y[a.rows] = np.add.reduceat(products, a.starts, dtype=products.dtype)
    return y
