"""The stored entries row by row: the way of all sparse kernels where arrays lie on a device.

On a CPU array code is fast where it hands BLAS what lies in a cache, and each kernel packs its
matrix for that: as row panels, slices, rectangles. On a device every call is a launch, caches are
small, arithmetic is nearly free, and whoever looks at a result to decide what comes next makes both
wait for the bus. So there all formats take one way: each stored value with its row and its column,
in the order of the rows. A product is one gather, one multiplication and one segmented sum (Bell
and Garland, "Implementing sparse matrix-vector multiplication on throughput-oriented processors",
SC 2009, of COO), and only stored entries are touched, so that rule S1 needs no care. Nothing here
asks a device for a number.

What BSR and n:m store beyond the edge of the matrix is put into a row of its own, behind the last,
which no result has.
"""

from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.index import index_dtype
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix
from minisparse.formats.compressed import expand
from minisparse.gpu.segments import segment_maxima, segment_sums
from minisparse.kernels.kernel import Work
from minisparse.kernels.wide import wide_dtype

AT_ONCE = 1 << 25
"""Elements that are gathered at once: 128 MB of float32, enough to keep any device busy."""
PASSES = 5.0
"""Launches of a product: to gather, to widen, to multiply, to add up, to write."""
NARROWEST = 32
"""Columns that are gathered at once at least, however many entries there are: a cache line."""


@dataclass(frozen=True, eq=False)
class Entries:
    """Stored values with their positions, in the order of their rows.

    Attributes
    ----------
    matrix : Matrix
        Whose they are.
    data : ndarray, shape (nnz,)
        The values, in the matrix's own dtype.
    row, col : ndarray of int, shape (nnz,)
        Where they stand; rows ascend. In a row behind the last stands what is padding.
    indptr : ndarray of int, shape (rows + 1,)
        Where each row starts, that of the padding included where there is one.
    order : ndarray of int, shape (nnz,), or None
        Where each of them is stored, in ``matrix.data`` one after another; None: in this order.
    shape : tuple of int
        Of the matrix that has these rows: ``(M, K)``, or ``(K, M)`` of its transpose.
    """

    matrix: Matrix
    data: Array
    row: Array
    col: Array
    indptr: Array
    order: Array | None
    shape: tuple[int, int]

    @property
    def dtype(self) -> DType:
        """The matrix's own."""
        return self.matrix.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        arrays = (self.data, self.row, self.col, self.indptr, self.order)
        return sum(int(array.nbytes) for array in arrays if array is not None)

    @property
    def has_padding(self) -> bool:
        """Whether a row behind the last holds padding."""
        return len(self.indptr) - 1 > self.shape[0]

    def stored(self, values: Array) -> Array:
        """Return values of the entries as the matrix stores them, 0 where it stores padding."""
        if self.has_padding:
            values = namespace(values).where(self.row < self.shape[0], values, values.dtype.type(0))
        if self.order is not None:
            xp = namespace(values)
            scattered = xp.empty_like(values)
            scattered[self.order] = values
            values = scattered
        return values.reshape(self.matrix.data.shape)


def pack(a: Matrix, columns: int = 256) -> Entries:
    """Return the entries of a matrix in any format in the order of its rows.

    Duplicates stay apart, in their stored order.
    """
    row, col, padded = _places(a)
    return _by_row(a, row, col, a.shape, padded, a.indptr if isinstance(a, CSR) else None)


def pack_columns(a: Matrix, columns: int = 256) -> Entries:
    """Return the entries of a matrix in the order of its columns: the rows of its transpose."""
    row, col, padded = _places(a)
    if padded:  # marked as beyond the last row, whatever is beyond the matrix
        col = namespace(row).where(row < a.shape[0], col, a.shape[1])
    row = row.clip(0, max(a.shape[0] - 1, 0)) if padded else row
    indptr = a.indptr if isinstance(a, CSC) else None
    return _by_row(a, col, row, (a.shape[1], a.shape[0]), padded, indptr)


def _by_row(
    a: Matrix, row: Array, col: Array, shape: tuple[int, int], padded: bool, indptr: Array | None
) -> Entries:
    """Sort entries into rows, unless they are: then their pointers are known."""
    xp, data, order = namespace(row), a.data.reshape(-1), None
    if indptr is None:
        order = xp.argsort(row, kind="stable")
        row, col, data = row[order], col[order], data[order]
        indptr = xp.searchsorted(row, xp.arange(shape[0] + padded + 1, dtype=row.dtype))
    return Entries(a, data, row, col, indptr, order, shape)


def _places(a: Matrix) -> tuple[Array, Array, bool]:
    """Return row and column of each stored value, and whether some are padding.

    Padding is in row M, behind the last one, and in some column.
    """
    xp = namespace(a.data)
    if isinstance(a, COO):
        return a.row, a.col, False
    if isinstance(a, CSR):
        return expand(a.indptr, count=a.nnz), a.indices, False
    if isinstance(a, CSC):
        return a.indices, expand(a.indptr, count=a.nnz), False
    (m, k), at = a.shape, a.data.shape
    if isinstance(a, BSR):
        _, r, c = at
        width = index_dtype((m + r, k + c), a.nnz)
        row = (expand(a.indptr, width, count=len(a.indices)) * r)[:, None, None] + xp.arange(
            r, dtype=width
        )[:, None]
        col = (a.indices.astype(width) * c)[:, None, None] + xp.arange(c, dtype=width)
        padded = bool(m % r or k % c)
    else:
        assert isinstance(a, NM)
        width = index_dtype((m, k + a.m), a.nnz)
        row = xp.arange(m, dtype=width)[:, None]
        col = xp.arange(at[1], dtype=width) // a.n * a.m + a.positions
        padded = bool(k % a.m)
    row, col = (xp.broadcast_to(x, at).reshape(-1) for x in (row, col))
    if padded:
        outside = (row >= m) | (col >= k)
        row, col = xp.where(outside, m, row), xp.where(outside, 0, col)
    return row, col, padded


def multiply(a: Entries, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ b``, summed in the accumulator's dtype and rounded once.

    Parameters
    ----------
    a : Entries
        Of the matrix ``[M, K]``.
    b : ndarray, shape (K, N)
        Of any dtype and strides.
    out : ndarray, shape (M, N), optional
        Where to write.
    """
    dtype = np.result_type(a.dtype, b.dtype)
    c = namespace(b).empty((a.shape[0], b.shape[1]), dtype) if out is None else out
    write_product(a, a.data.astype(wide_dtype(dtype), copy=False), b, c)
    return c


def write_product(a: Entries, data: Array, b: Array, c: Array) -> None:
    """Write ``A @ b`` to ``c``, where A has the values ``data``, in whose dtype is summed."""
    columns = b.shape[1]
    step = max(NARROWEST, AT_ONCE // max(len(data), 1))
    for n in range(0, columns, step):
        tile = slice(n, min(n + step, columns))
        products = b[:, tile].take(a.col, axis=0).astype(data.dtype, copy=False)
        c[:, tile] = segment_sums(products * data[:, None], a.indptr)[: a.shape[0]]


def dots(a: Entries, left: Array, right: Array, wide: DType) -> Array:
    """Return ``left[row] . right[col]`` of each entry, some entries at a time.

    Parameters
    ----------
    a : Entries
        The entries.
    left, right : ndarray, shape (M, D), (N, D)
        The factors.
    wide : numpy.dtype
        In which products are summed.
    """
    found: Array = namespace(left).empty(len(a.data), wide)
    row = a.row.clip(0, max(len(left) - 1, 0)) if a.has_padding else a.row
    step = max(1, AT_ONCE // max(left.shape[1], 1))
    for p in range(0, len(row), step):
        part = slice(p, p + step)
        near = left.take(row[part], axis=0).astype(wide, copy=False)
        far = right.take(a.col[part], axis=0).astype(wide, copy=False)
        found[part] = (near * far).sum(axis=1, dtype=wide)
    return found


def softmax(a: Entries, scores: Array) -> Array:
    """Return the softmax of scores, one for each entry, over each row; in the scores' dtype."""
    largest = segment_maxima(scores, a.indptr)
    weights: Array = namespace(scores).exp(scores - largest[a.row])
    weights /= segment_sums(weights, a.indptr)[a.row]
    return weights


def entries_work(a: TensorType, elements: float, result: TensorType) -> Work:
    """Return the work of going through all entries: what is gathered is written, and read again.

    Parameters
    ----------
    a : TensorType
        Whose entries.
    elements : float
        Gathered elements, all entries together.
    result : TensorType
        What comes of it.
    """
    indices = 2.0 * a.nnz * a.index_itemsize
    moved = 4 * elements * result.itemsize + a.nnz * a.itemsize + indices
    moved += result.nnz * result.itemsize
    return Work(2 * elements, moved, float(a.nnz), PASSES, unit="elementwise", indices=indices)
