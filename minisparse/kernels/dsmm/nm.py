"""Dense times n:m: ``C[n, k] = sum_m B[n, m] * A[m, k]``, n of m neighbors in a row of A stored.

Slot p of a row belongs to its group ``p // a.n``, and stands in its column ``positions[m, p]``.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM
from minisparse.kernels.counts import Counts
from minisparse.kernels.dsmm import threads, turned
from minisparse.kernels.dsmm.on_device import ON_DEVICE
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm_t import columns, nm
from minisparse.ops import DSMM


def bytes_moved(b: TensorType, a: TensorType) -> int:
    """Count A with its positions and B once, a column of C read and written per stored value."""
    n, m = b.dims
    return a.nnz * (a.itemsize + a.index_itemsize) + (m + 2 * a.nnz) * n * b.itemsize


def loops(b: Array, a: NM) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(b, a.data)
    b = b.astype(accumulator(dtype))
    c = np.zeros((b.shape[0], a.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for p in range(a.data.shape[1]):
            k = p // a.n * a.m + int(a.positions[m, p])
            if k >= a.shape[1]:
                continue  # padding of a last group that reaches beyond the matrix
            for n in range(b.shape[0]):
                c[n, k] += b[n, m] * a.data[m, p]
    return c.astype(dtype)


def counts(b: Array, a: NM) -> Counts:
    """Count what the loops do: those of ``C^T = A^T @ B^T``."""
    return nm.counts(a, b.T)


DSMM_NM = Kernel(
    DSMM,
    NM,
    bytes_moved,
    loops=loops,
    vectorized=Level(turned.run, columns.prepare, turned.work, fuses=True, device=ON_DEVICE),
    gpu=threads.ADDED_NM,
    counts=counts,
)
