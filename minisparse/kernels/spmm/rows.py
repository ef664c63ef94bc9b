"""The stored entries row by row, and the product with one column: only stored entries are touched.

``y[m] = sum_p data[p] * x[indices[p]]``: one gather, one multiplication, and one segmented sum, for
some rows at a time. No padding, so an infinite x meets no zero that is not stored
(docs/language.md, rule S1).
"""

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, CSR, Matrix
from minisparse.formats.compressed import group
from minisparse.kernels.kernel import Work
from minisparse.kernels.scratch import scratch
from minisparse.kernels.wide import wide_dtype

CALLS = 1000
"""In how many calls a packed matrix is used, as far as nothing is known of it."""
CHUNK = 1 << 15
"""Entries that are multiplied at once: with their indices, half of a common level-2 cache."""


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
    return _stored(data, indices, indptr, a.shape)


def stored_columns(a: Matrix) -> StoredRows:
    """Return the entries of any matrix in the order of its columns, as rows of its transpose."""
    shape = a.shape[1], a.shape[0]
    if isinstance(a, CSC):
        data, indices, indptr = a.data, a.indices, a.indptr
    else:
        row, col, values, _ = a.triplets()
        data, indices, indptr = group(col, row, values, shape[0])
    return _stored(data, indices, indptr, shape)


def _stored(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> StoredRows:
    """Return compressed lines in the dtypes that are computed in."""
    rows = np.flatnonzero(np.diff(indptr))
    return StoredRows(
        data.astype(wide_dtype(data), copy=False),
        indices.astype(np.intp),
        rows,
        indptr[rows].astype(np.intp),
        shape,
        data.dtype,
    )


def with_sort(work: Work, a: TensorType) -> Work:
    """Return the work of one call with its share of a sort that was done once for many.

    It is next to nothing, and decides between formats that are packed, and so run, alike.
    """
    return replace(work, gathered=work.gathered + a.nnz / CALLS)


def times_vector(a: StoredRows, x: Array) -> Array:
    """Return ``A @ x`` for a vector x ``[K]`` of the dtype in which it is to be summed."""
    x, dtype = np.ascontiguousarray(x), x.dtype
    sums = np.empty(len(a.rows), dtype)
    cuts = np.searchsorted(a.starts, np.arange(0, len(a.indices), CHUNK))
    for first, last in pairwise(sorted({*cuts.tolist(), len(a.rows)})):
        stop = a.starts[last] if last < len(a.rows) else len(a.indices)
        entries = slice(a.starts[first], stop)
        products = scratch("products", (stop - a.starts[first],), dtype)
        # The indices are valid; "wrap" only spares take the copy it would make to be safe.
        x.take(a.indices[entries], None, products, "wrap")
        np.multiply(products, a.data[entries], products, dtype=dtype, casting="unsafe")
        runs = a.starts[first:last] - a.starts[first]
        np.add.reduceat(products, runs, 0, dtype, sums[first:last])
    y = np.zeros(a.shape[0], dtype)
    y[a.rows] = sums
    return y
