"""The rows and columns that store anything, as one dense matrix: for a vector BLAS only reads it.

Where hardly anything is left out between them, as after rows or columns were pruned whole, reading
it takes less time than a gather of single elements. A 0 that A does not store must not meet an
infinite x (rule S1): where one comes, the stored entries are computed with alone.
"""

from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.spmm.rows import StoredRows, times_vector
from minisparse.kernels.wide import all_finite, wide_dtype


@dataclass(frozen=True, eq=False)
class Filled:
    """A matrix without the rows and columns that store nothing.

    Attributes
    ----------
    values : ndarray, shape (R, U)
        In the dtype in which products are summed.
    columns : ndarray of intp, shape (U,), or None
        Which they are; None: all of them.
    position : ndarray of intp, shape (M,), or None
        Where each row of A is, R where it stores nothing; None: row m is at m.
    shape : tuple of int
        ``(M, K)``.
    dtype : numpy.dtype
        The matrix's own.
    rows : StoredRows or None
        The stored entries; None where there is nothing else in ``values``.
    """

    values: Array
    columns: Array | None
    position: Array | None
    shape: tuple[int, int]
    dtype: DType
    rows: StoredRows | None

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        parts = (self.values, self.columns, self.position, self.rows)
        return sum(int(part.nbytes) for part in parts if part is not None)

    def __repr__(self) -> str:
        """Return size and shape in one line."""
        (m, k), (r, u) = self.shape, self.values.shape
        return f"Filled({m}x{k}, {r}x{u} in use, {self.nbytes / 1000:.3g} kB)"


def used_columns(a: StoredRows) -> Array:
    """Return the columns that store anything, ascending."""
    used = np.zeros(a.shape[1], bool)
    used[a.indices] = True
    return np.flatnonzero(used)


def pack(a: StoredRows, columns: Array) -> Filled:
    """Pack stored rows, none of whose cells is stored twice.

    Parameters
    ----------
    a : StoredRows
        The entries.
    columns : ndarray of intp
        As :func:`used_columns` returned them.
    """
    (m, k), r = a.shape, len(a.rows)
    number = np.zeros(k, np.intp)
    number[columns] = np.arange(len(columns))
    values = np.zeros((r, len(columns)), a.data.dtype)
    row = np.repeat(np.arange(r), np.diff(a.starts, append=len(a.indices)))
    values[row, number[a.indices]] = a.data
    position = np.full(m, r, np.intp)
    position[a.rows] = np.arange(r)
    return Filled(
        values,
        None if len(columns) == k else columns,
        None if r == m else position,
        a.shape,
        a.dtype,
        None if values.size == len(a.data) else a,
    )


def run(a: Filled, x: Array, out: Array | None = None) -> Array:
    """Return ``A @ x``.

    Parameters
    ----------
    a : Filled
        The packed matrix ``[M, K]``.
    x : ndarray, shape (K,)
        Of any dtype and stride.
    out : ndarray, shape (M,), optional
        Where to write.
    """
    dtype, wide = a.dtype, a.values.dtype
    if x.dtype != dtype:
        dtype = np.result_type(dtype, x)
        wide = wide_dtype(dtype)
    x = x.astype(wide, copy=False)
    used = x if a.columns is None else x.take(a.columns)
    if a.rows is not None and not all_finite(used):
        y = times_vector(a.rows, x)
    else:
        y = np.matmul(a.values.astype(wide, copy=False), used)
        if a.position is not None:
            y = np.append(y, np.zeros(1, wide)).take(a.position)
    if out is None:
        return y.astype(dtype, copy=False)
    out[...] = y
    return out
