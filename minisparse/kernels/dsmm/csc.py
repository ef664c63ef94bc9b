"""Dense times CSC: ``C[n, k] = sum_m B[n, m] * A[m, k]``, B ``[N, M]`` dense, A ``[M, K]`` stored.

Column k of A lists which columns of B make column k of C, and with which weights: no two columns of
C share a write.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC
from minisparse.kernels.counts import Counts
from minisparse.kernels.dsmm import threads, turned
from minisparse.kernels.dsmm.on_device import ON_DEVICE
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm_t import columns, csc
from minisparse.ops import DSMM


def bytes_moved(b: TensorType, a: TensorType) -> int:
    """Count A once, one column of B per stored value of A, and C once."""
    n, k = b.dims[0], a.dims[1]
    index_bytes = (k + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (a.nnz + k) * n * b.itemsize


def loops(b: Array, a: CSC) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(b, a.data)
    b = b.astype(accumulator(dtype))
    c = np.zeros((b.shape[0], a.shape[1]), b.dtype)
    for k in range(a.shape[1]):
        for p in range(a.indptr[k], a.indptr[k + 1]):
            m = a.indices[p]
            for n in range(b.shape[0]):
                c[n, k] += b[n, m] * a.data[p]
    return c.astype(dtype)


def counts(b: Array, a: CSC) -> Counts:
    """Count what the loops do: those of ``C^T = A^T @ B^T``."""
    return csc.counts(a, b.T)


DSMM_CSC = Kernel(
    DSMM,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(turned.run, columns.prepare, turned.work, fuses=True, device=ON_DEVICE),
    gpu=threads.OWNED_CSC,
    counts=counts,
)
