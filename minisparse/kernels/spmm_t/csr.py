"""SpMM on CSR transposed: ``C[k, n] = sum_m A[m, k] * B[m, n]``, A ``[M, K]`` stored by rows.

The arrays are those of the transpose in CSC, and so is the order: row m of A and row m of B give
an outer product, and each stored entry adds a multiple of B's row to a row of C somewhere else.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import csc, panels
from minisparse.kernels.spmm_t import columns, threads
from minisparse.kernels.spmm_t.on_device import ON_DEVICE
from minisparse.ops import SPMM_T


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A and B once, and a row of C read and written per stored value of A."""
    m, n = b.dims
    index_bytes = (m + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (m + 2 * a.nnz) * n * b.itemsize


def loops(a: CSR, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[1], b.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for p in range(a.indptr[m], a.indptr[m + 1]):
            k = a.indices[p]
            for n in range(b.shape[1]):
                c[k, n] += a.data[p] * b[m, n]
    return c.astype(dtype)


def counts(a: CSR, b: Array) -> Counts:
    """Count what the loops do: those of SpMM on the transpose in CSC."""
    return csc.counts(a.T, b)


SPMM_T_CSR = Kernel(
    SPMM_T,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, columns.prepare, columns.work, fuses=True, device=ON_DEVICE),
    gpu=threads.ADDED,
    counts=counts,
)
