"""SpMM on COO transposed: ``C[col[p], n] += data[p] * B[row[p], n]`` for every entry p.

A transposed COO matrix is the same one with rows and columns exchanged; neither order is easier.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import coo, panels
from minisparse.kernels.spmm_t import columns, threads
from minisparse.kernels.spmm_t.on_device import ON_DEVICE
from minisparse.ops import SPMM_T


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, and per stored value one row of B read and one of C read and written."""
    return a.nnz * (a.itemsize + 2 * a.index_itemsize + 3 * b.dims[1] * b.itemsize)


def loops(a: COO, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[1], b.shape[1]), b.dtype)
    for p in range(len(a.data)):
        m, k = a.row[p], a.col[p]
        for n in range(b.shape[1]):
            c[k, n] += a.data[p] * b[m, n]
    return c.astype(dtype)


def counts(a: COO, b: Array) -> Counts:
    """Count what the loops do: those of SpMM on the transpose."""
    return coo.counts(a.T, b)


SPMM_T_COO = Kernel(
    SPMM_T,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, columns.prepare, columns.work, fuses=True, device=ON_DEVICE),
    gpu=threads.ADDED,
    counts=counts,
)
