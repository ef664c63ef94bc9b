"""One-shot products of a sparse matrix with a plain array: what ``A @ b`` and ``b @ A`` do.

``C[m, n] = sum_p data[p] * B[indices[p], n]`` over the stored entries p of row m: implicit zeros
are skipped, stored ones computed with. Sums are accumulated in ``accumulator(result dtype)``.
Kernels, which pack A once for many products, live in :mod:`minisparse.kernels`.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator, as_dtype
from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.xp import check_one_place, is_on_gpu, namespace
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.compressed import pointers
from minisparse.formats.intake import as_array
from minisparse.formats.ordering import stable_order
from minisparse.gpu.segments import reduce_segments

_PRODUCTS = 2**25
"""Products that are held at once on a card."""


def multiply(A: Matrix, b: Any) -> Array:
    """Return ``A @ b``.

    Parameters
    ----------
    A : Matrix
        ``[M, K]``, any format; it need be neither sorted nor free of duplicates.
    b : array_like, shape (K,) or (K, N)
        A plain vector or matrix.

    Returns
    -------
    ndarray, shape (M,) or (M, N)
        Of dtype ``np.result_type(A.dtype, b.dtype)``.

    Raises
    ------
    ShapeError
        C1 if A's columns do not equal b's rows, C2 if b is neither 1-D nor 2-D.
    UnsupportedOpError
        If b is sparse.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> CSR([1.0, 2.0], [1, 0], [0, 1, 2], (2, 2)) @ np.array([3.0, 4.0])
    array([4., 6.])
    """
    b = _as_operand(b, "A @ b", A)
    if A.shape[1] != b.shape[0]:
        raise ShapeError(
            f"A @ b (C1): A is {_size(A)} but b is {_size(b)}: A's columns must equal b's rows"
        )
    return _product(A, b, "A @ b")


def multiply_from_left(b: Any, A: Matrix) -> Array:
    """Return ``b @ A`` for a plain vector ``[M]`` or matrix ``[N, M]``; see :func:`multiply`.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> np.array([3.0, 4.0]) @ CSR([1.0, 2.0], [1, 0], [0, 1, 2], (2, 2))
    array([8., 3.])
    """
    b = _as_operand(b, "b @ A", A)
    if b.shape[-1] != A.shape[0]:
        raise ShapeError(
            f"b @ A (C1): b is {_size(b)} but A is {_size(A)}: b's columns must equal A's rows"
        )
    if A.format == "nm":  # has no transpose; its entries do
        A = A.to("coo")
    return _product(A.T, b.T, "b @ A").T


def _as_operand(b: Any, op: str, A: Matrix) -> Array:
    if isinstance(b, Matrix) or hasattr(b, "tocoo"):
        raise UnsupportedOpError(
            f"{op}: A is {A.format} and b is a {type(b).__name__}: the product of two sparse "
            f"matrices is ms.spgemm(A, B); or make one dense with .to_dense()"
        )
    found = as_array(b, f"{op}: b")
    if type(found) is not type(A.data):
        check_one_place(op, {"A": A.data, "b": found})
    as_dtype(found.dtype, f"{op}: b")
    if found.ndim not in (1, 2):
        raise ShapeError(f"{op} (C2): b has shape {found.shape}: it must have 1 or 2 dimensions")
    return found


def _size(x: Any) -> str:
    """Return ``2x3``, or ``3`` for a vector."""
    return "x".join(map(str, x.shape))


def _product(A: Matrix, b: Array, op: str) -> Array:
    try:
        result = as_dtype(np.result_type(A.dtype, b.dtype), op)
    except TypeError as error:
        raise DTypeError(f"{op}: {A.dtype} and {b.dtype} do not mix: {error}") from error
    width = accumulator(result)
    with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
        c = _accumulate(A, b.astype(width, copy=False), width)
        return c.astype(result, copy=False)


def _accumulate(A: Matrix, b: Array, width: DType) -> Array:
    if b.ndim == 1:
        return _accumulate(A, b[:, None], width)[:, 0]
    if is_on_gpu(b):
        return _by_columns(A, b, width)
    if isinstance(A, BSR):
        return _by_block_rows(A, b, width)
    if b.shape[1] == 1:
        return _by_entries(A, b, width)
    return _by_rows(A, np.ascontiguousarray(b), width)


def _by_block_rows(A: BSR, b: Array, width: DType) -> Array:
    """Lay the blocks of a block row side by side: one small dense product for each."""
    r, c = A.block
    data = A.data.astype(width, copy=False)
    padded = np.pad(b, ((0, -A.shape[1] % c), (0, 0)))
    columns = b.shape[1]
    bands = padded.reshape(len(padded) // c, c, columns)
    product = np.zeros((len(A.indptr) - 1, r, columns), width)
    for i in np.flatnonzero(np.diff(A.indptr)):
        of_row = slice(A.indptr[i], A.indptr[i + 1])
        beside = data[of_row].transpose(1, 0, 2).reshape(r, -1)
        below = bands[A.indices[of_row]].reshape(beside.shape[1], columns)
        np.matmul(beside, below, out=product[i])
    return product.reshape(len(product) * r, columns)[: A.shape[0]]


def _by_rows(A: Matrix, b: Array, width: DType) -> Array:
    """Row m of C is a weighted sum of rows of b (Gustavson, ACM TOMS 4(3), 1978)."""
    data, indices, indptr = _rows(A, width)
    c = np.zeros((A.shape[0], b.shape[1]), width)
    for m in np.flatnonzero(np.diff(indptr)):
        of_row = slice(indptr[m], indptr[m + 1])
        np.matmul(data[of_row], b[indices[of_row]], out=c[m])
    return c


def _by_entries(A: Matrix, b: Array, width: DType) -> Array:
    """Multiply every entry at once, and add up each row's run of products."""
    data, indices, indptr = _rows(A, width)
    c = np.zeros((A.shape[0], 1), width)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        c[filled, 0] = np.add.reduceat(data * b[indices, 0], indptr[filled])
    return c


def _by_columns(A: Matrix, b: Array, width: DType) -> Array:
    """Multiply every entry with some columns at once, and add up each row's run of products."""
    data, indices, indptr = _rows(A, width)
    c: Array = namespace(b).zeros((A.shape[0], b.shape[1]), width)
    step = max(1, _PRODUCTS // max(len(data), 1))
    for n in range(0, b.shape[1], step):
        products = b[:, n : n + step][indices]
        products *= data[:, None]
        part = c[:, n : n + step]
        part[...] = reduce_segments(np.add, products, indptr, part.copy())
    return c


def _rows(A: Matrix, width: DType) -> tuple[Array, Array, Array]:
    """Return values, columns and pointers of the entries row by row, in stored order within."""
    row, col, data, shape = A.triplets()
    data = data.astype(width, copy=False)
    if not (row[1:] >= row[:-1]).all():
        order = stable_order(row, shape[0])
        data, col = data[order], col[order]
    return data, col, pointers(np.bincount(row, minlength=shape[0]))
