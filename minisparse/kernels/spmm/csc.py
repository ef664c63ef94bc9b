"""SpMM on CSC: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A ``[M, K]`` by columns, B ``[K, N]`` dense.

Column-wise order: C is a sum of outer products, column k of A times row k of B. B is read once, but
every product adds to rows of C all over the place, so that C is read and written once per
stored value. The vectorized level sorts the entries into rows, once, and packs these as those of
CSR: then a call is as fast, and only packing takes longer.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm import panels, threads_csc
from minisparse.kernels.spmm.on_device import ON_DEVICE
from minisparse.kernels.spmm.packing import pack
from minisparse.kernels.spmm.rows import stored_rows, with_sort
from minisparse.kernels.spmm.work import panel_work
from minisparse.ops import SPMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A and B once, and a row of C read and written per stored value of A."""
    k, n = b.dims
    index_bytes = (k + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (k + 2 * a.nnz) * n * b.itemsize


def loops(a: CSC, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for k in range(a.shape[1]):
        for p in range(a.indptr[k], a.indptr[k + 1]):
            m = a.indices[p]
            for n in range(b.shape[1]):
                c[m, n] += a.data[p] * b[k, n]
    return c.astype(dtype)


def counts(a: CSC, b: Array) -> Counts:
    """Count what the loops do: every stored value reads and writes one scattered row of C."""
    (m, n), dtype = (a.shape[0], b.shape[1]), np.result_type(a.data, b)
    columns, steps = a.shape[1], a.nnz * n
    rows_of_b = int(np.count_nonzero(np.diff(a.indptr)))
    return Counts(
        flops=2 * steps,
        value_bytes=a.data.nbytes * (n > 0) + rows_of_b * n * b.itemsize + m * n * dtype.itemsize,
        index_bytes=a.indptr.nbytes * (columns > 0) + a.indices.nbytes,
        gathered_bytes=2 * steps * dtype.itemsize,
        scratch=widened_bytes(b, dtype, m * n),
        calls=2 * columns + a.nnz + 4 * steps,
    )


def prepare(a: CSC, columns: int = 256) -> panels.Panels:
    """Sort the entries into rows, and pack these as panels."""
    return pack(stored_rows(a), a.has_canonical_format, columns)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the panels to expect of this pattern do, after a sort."""
    return with_sort(
        panel_work(pattern.row_counts, pattern.nonzero_cols, types, pattern.blocks), types[0]
    )


SPMM_CSC = Kernel(
    SPMM,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, prepare, work, fuses=True, device=ON_DEVICE),
    gpu=threads_csc.GPU,
    counts=counts,
)
