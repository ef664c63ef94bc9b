"""SpMM on CSC transposed: ``C[k, n] = sum_m A[m, k] * B[m, n]``, A ``[M, K]`` stored by columns.

The arrays are those of the transpose in CSR: column k of A lists which rows of B make row k of C,
and no two rows of C share a write. Nothing has to be sorted for it.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import csr, panels
from minisparse.kernels.spmm_t import columns, threads
from minisparse.kernels.spmm_t.on_device import ON_DEVICE
from minisparse.ops import SPMM_T


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, one row of B per stored value of A, and C once."""
    k, n = a.dims[1], b.dims[1]
    index_bytes = (k + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (a.nnz + k) * n * b.itemsize


def loops(a: CSC, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[1], b.shape[1]), b.dtype)
    for k in range(a.shape[1]):
        for p in range(a.indptr[k], a.indptr[k + 1]):
            m = a.indices[p]
            for n in range(b.shape[1]):
                c[k, n] += a.data[p] * b[m, n]
    return c.astype(dtype)


def counts(a: CSC, b: Array) -> Counts:
    """Count what the loops do: those of SpMM on the transpose in CSR."""
    return csr.counts(a.T, b)


SPMM_T_CSC = Kernel(
    SPMM_T,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, columns.prepare, columns.work, fuses=True, device=ON_DEVICE),
    gpu=threads.OWNED_CSC,
    counts=counts,
)
