"""Dense times COO: ``C[n, col[p]] += B[n, row[p]] * data[p]`` for every entry p, as stored."""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO
from minisparse.kernels.counts import Counts
from minisparse.kernels.dsmm import threads, turned
from minisparse.kernels.dsmm.on_device import ON_DEVICE
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm_t import columns, coo
from minisparse.ops import DSMM


def bytes_moved(b: TensorType, a: TensorType) -> int:
    """Count A once, and per stored value a column of B read and one of C read and written."""
    return a.nnz * (a.itemsize + 2 * a.index_itemsize + 3 * b.dims[0] * b.itemsize)


def loops(b: Array, a: COO) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(b, a.data)
    b = b.astype(accumulator(dtype))
    c = np.zeros((b.shape[0], a.shape[1]), b.dtype)
    for p in range(len(a.data)):
        m, k = a.row[p], a.col[p]
        for n in range(b.shape[0]):
            c[n, k] += b[n, m] * a.data[p]
    return c.astype(dtype)


def counts(b: Array, a: COO) -> Counts:
    """Count what the loops do: those of ``C^T = A^T @ B^T``."""
    return coo.counts(a, b.T)


DSMM_COO = Kernel(
    DSMM,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(turned.run, columns.prepare, turned.work, fuses=True, device=ON_DEVICE),
    gpu=threads.ADDED,
    counts=counts,
)
