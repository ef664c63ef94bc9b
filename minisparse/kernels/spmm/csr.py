"""SpMM on CSR: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A ``[M, K]`` stored, B ``[K, N]`` dense.

Row-wise order (Gustavson, ACM TOMS 4(3), 1978): row m of C is a weighted sum of rows of B,
and row m of A lists which rows and which weights. No two rows of C share a write.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm import panels, threads_csr
from minisparse.kernels.spmm.on_device import ON_DEVICE
from minisparse.kernels.spmm.packing import pack
from minisparse.kernels.spmm.rows import stored_rows
from minisparse.kernels.spmm.work import panel_work
from minisparse.ops import SPMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, one row of B per stored value of A, and C once."""
    m, n = a.dims[0], b.dims[1]
    index_bytes = (m + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (a.nnz + m) * n * b.itemsize


def loops(a: CSR, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for p in range(a.indptr[m], a.indptr[m + 1]):
            k = a.indices[p]
            for n in range(b.shape[1]):
                c[m, n] += a.data[p] * b[k, n]
    return c.astype(dtype)


def counts(a: CSR, b: Array) -> Counts:
    """Count what the loops do: every stored value meets one gathered row of B."""
    (m, n), dtype = (a.shape[0], b.shape[1]), np.result_type(a.data, b)
    steps = a.nnz * n
    return Counts(
        flops=2 * steps,
        value_bytes=a.data.nbytes * (n > 0) + m * n * dtype.itemsize,
        index_bytes=a.indptr.nbytes * (m > 0) + a.indices.nbytes,
        gathered_bytes=steps * b.itemsize,
        scratch=widened_bytes(b, dtype, m * n),
        calls=2 * m + a.nnz + 4 * steps,
    )


def prepare(a: CSR, columns: int = 256) -> panels.Panels:
    """Pack the rows as panels; see :mod:`minisparse.kernels.spmm.panels`."""
    return pack(stored_rows(a), a.has_canonical_format, columns)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the panels to expect of this pattern do."""
    return panel_work(pattern.row_counts, pattern.nonzero_cols, types, pattern.blocks)


SPMM_CSR = Kernel(
    SPMM,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, prepare, work, fuses=True, device=ON_DEVICE),
    gpu=threads_csr.GPU,
    counts=counts,
)
