"""Dense times CSR: ``C[n, k] = sum_m B[n, m] * A[m, k]``, B ``[N, M]`` dense, A ``[M, K]`` by rows.

Column m of B and row m of A give an outer product: each stored entry adds a multiple of a column of
B to a column of C somewhere else.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR
from minisparse.kernels.counts import Counts
from minisparse.kernels.dsmm import threads, turned
from minisparse.kernels.dsmm.on_device import ON_DEVICE
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm_t import columns, csr
from minisparse.ops import DSMM


def bytes_moved(b: TensorType, a: TensorType) -> int:
    """Count A and B once, and a column of C read and written per stored value of A."""
    n, m = b.dims
    index_bytes = (m + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (m + 2 * a.nnz) * n * b.itemsize


def loops(b: Array, a: CSR) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(b, a.data)
    b = b.astype(accumulator(dtype))
    c = np.zeros((b.shape[0], a.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for p in range(a.indptr[m], a.indptr[m + 1]):
            k = a.indices[p]
            for n in range(b.shape[0]):
                c[n, k] += b[n, m] * a.data[p]
    return c.astype(dtype)


def counts(b: Array, a: CSR) -> Counts:
    """Count what the loops do: those of ``C^T = A^T @ B^T``."""
    return csr.counts(a, b.T)


DSMM_CSR = Kernel(
    DSMM,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(turned.run, columns.prepare, turned.work, fuses=True, device=ON_DEVICE),
    gpu=threads.ADDED,
    counts=counts,
)
