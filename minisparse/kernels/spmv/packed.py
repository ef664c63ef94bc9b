"""Which packing a matrix gets for products with vectors, and how it is multiplied.

Sparse rows are gathered for, as slices (:mod:`minisparse.kernels.spmv.slices`). Where the rows and
columns in use are nearly full, reading them as a dense matrix takes less time than a gather
(:mod:`minisparse.kernels.spmv.filled`). Blocks are panels already, as they are for SpMM.
"""

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix, Pattern
from minisparse.kernels.kernel import Work
from minisparse.kernels.spmm import panels
from minisparse.kernels.spmm.panels import Panels
from minisparse.kernels.spmm.rows import StoredRows, stored_rows, times_vector, with_sort
from minisparse.kernels.spmv import filled, slices
from minisparse.kernels.spmv.filled import Filled
from minisparse.kernels.spmv.slices import Slices
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import Attrs

ENTRY_BYTES = 28
"""To gather for an entry takes as long as to read so many bytes from memory."""
NEAR_BYTES = 1 << 20
"""Bytes of a matrix that stays in a cache, where it is read three times as fast."""

Packed = Slices | Filled | Panels | StoredRows


def prepare(a: Matrix, columns: int = 1) -> Slices | Filled:
    """Pack the rows as slices, or as a dense matrix where hardly anything is left out."""
    rows = stored_rows(a)
    entries, wide = len(rows.indices), rows.data.dtype
    used = filled.used_columns(rows)
    if _is_nearly_full(entries, len(rows.rows) * len(used), wide) and a.has_canonical_format:
        return filled.pack(rows, used)
    return slices.pack(rows)


def prepare_once(a: Matrix, columns: int = 1) -> StoredRows:
    """Put the entries in the order of their rows: to pack them costs more than one product."""
    return stored_rows(a)


def _is_nearly_full(entries: int, cells: int, wide: DType) -> bool:
    """Tell whether a dense product is faster; BLAS computes it for floating point only."""
    if wide.kind not in "fc":
        return False
    size = cells * wide.itemsize
    near = 3 if size <= NEAR_BYTES else 1
    return 0 < size <= ENTRY_BYTES * near * entries


def run(a: Packed, x: Array, out: Array | None = None) -> Array:
    """Return ``A @ x`` for x ``[K]``, in whichever way A was packed."""
    if isinstance(a, Slices):
        return slices.run(a, x, out)
    if isinstance(a, Filled):
        return filled.run(a, x, out)
    if isinstance(a, StoredRows):
        return _by_entries(a, x, out)
    y: Array = panels.run(a, x[:, None], None if out is None else out[:, None])
    return y[:, 0] if out is None else out


def _by_entries(a: StoredRows, x: Array, out: Array | None) -> Array:
    """Return ``A @ x`` of entries as they are."""
    dtype = np.result_type(a.dtype, x)
    y = times_vector(a, x.astype(wide_dtype(dtype), copy=False))
    if out is None:
        return y.astype(dtype, copy=False)
    out[...] = y
    return out


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product with this pattern's packing does."""
    return work_of(pattern.row_counts, pattern.nonzero_cols, types)


def sorted_work(
    pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None
) -> Work:
    """Return what a product does whose entries had to be sorted into rows."""
    return with_sort(work(pattern, types), types[0])


def work_of(row_counts: Array, columns: int, types: tuple[TensorType, ...]) -> Work:
    """Return the work of packed rows.

    Parameters
    ----------
    row_counts : ndarray of int, shape (M,)
        Stored entries of each row.
    columns : int
        How many columns are in use.
    types : tuple of TensorType
        Of A and x.
    """
    a, x = types
    (m, k), itemsize = a.dims, x.itemsize
    lengths = np.sort(row_counts[row_counts > 0])[::-1]
    cells = len(lengths) * columns
    if _is_nearly_full(int(lengths.sum()), cells, accumulator(a.dtype)):
        moved = float((cells + 2 * k + 2 * m) * itemsize)
        checked = lengths.sum() < cells  # x must be finite where it meets what is not stored
        calls = 3.0 + 3 * (columns < k) + 5 * (len(lengths) < m) + 5 * bool(checked)
        picked = float((columns < k) * columns + (len(lengths) < m) * m)
        return Work(2.0 * cells, moved, picked, calls, rows=float(m), way="filled")
    cuts = list(slices.cut(lengths))
    slots = sum(float(lengths[first]) * (last - first) for first, last in cuts)
    # Per slot: an index, and what is gathered is written and read beside the value.
    moved = slots * (8 + 3 * itemsize) + (2 * k + 3 * m) * itemsize
    return Work(
        2.0 * slots,
        moved,
        slots,
        8.0 + 4.0 * len(cuts),
        unit="elementwise",
        indices=8.0 * slots,
        rows=float(m),
        way="slices",
    )
