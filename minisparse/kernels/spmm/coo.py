"""SpMM on COO: ``C[row[p], n] += data[p] * B[col[p], n]`` for every entry p, in stored order.

Nothing is known of the order, so every entry reads and writes a row of C. To add products up as
they come takes several times as long as the row panels of CSR; so the vectorized level sorts the
entries into rows, once, and packs these. Without ``ms.prepare`` every call sorts anew: COO is the
format to build matrices in.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm import panels, threads_coo
from minisparse.kernels.spmm.on_device import ON_DEVICE
from minisparse.kernels.spmm.packing import pack
from minisparse.kernels.spmm.rows import stored_rows, with_sort
from minisparse.kernels.spmm.work import panel_work
from minisparse.ops import SPMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, and per stored value one row of B read and one of C read and written."""
    return a.nnz * (a.itemsize + 2 * a.index_itemsize + 3 * b.dims[1] * b.itemsize)


def loops(a: COO, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for p in range(len(a.data)):
        m, k = a.row[p], a.col[p]
        for n in range(b.shape[1]):
            c[m, n] += a.data[p] * b[k, n]
    return c.astype(dtype)


def counts(a: COO, b: Array) -> Counts:
    """Count what the loops do: a row of B gathered and one of C scattered for each entry."""
    (m, n), dtype = (a.shape[0], b.shape[1]), np.result_type(a.data, b)
    steps = a.nnz * n
    return Counts(
        flops=2 * steps,
        value_bytes=a.data.nbytes * (n > 0) + m * n * dtype.itemsize,
        index_bytes=a.row.nbytes + a.col.nbytes,
        gathered_bytes=steps * (b.itemsize + 2 * dtype.itemsize),
        scratch=widened_bytes(b, dtype, m * n),
        calls=2 * a.nnz + 4 * steps,
    )


def prepare(a: COO, columns: int = 256) -> panels.Panels:
    """Sort the entries into rows, and pack these as panels."""
    return pack(stored_rows(a), a.has_canonical_format, columns)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the panels to expect of this pattern do, after a sort."""
    return with_sort(
        panel_work(pattern.row_counts, pattern.nonzero_cols, types, pattern.blocks), types[0]
    )


SPMM_COO = Kernel(
    SPMM,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, prepare, work, fuses=True, device=ON_DEVICE),
    gpu=threads_coo.GPU,
    counts=counts,
)
