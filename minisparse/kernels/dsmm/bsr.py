"""Dense times BSR: ``C[n, k] = sum_m B[n, m] * A[m, k]``, B ``[N, M]`` dense, A in blocks of r x c.

A block ``[r, c]`` adds ``(r columns of B) @ block`` to c columns of C.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR
from minisparse.kernels.counts import Counts
from minisparse.kernels.dsmm import threads, turned
from minisparse.kernels.dsmm.on_device import ON_DEVICE
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm_t import bsr, columns
from minisparse.ops import DSMM


def bytes_moved(b: TensorType, a: TensorType) -> int:
    """Count A and B once, and c columns of C read and written per block."""
    r, c = a.block or (1, 1)
    n, m = b.dims
    blocks = a.nnz // (r * c)
    index_bytes = (-(-m // r) + 1 + blocks) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (m + 2 * blocks * c) * n * b.itemsize


def loops(b: Array, a: BSR) -> Array:
    """Follow the formula, block by block, one multiply-add at a time."""
    dtype = np.result_type(b, a.data)
    b = b.astype(accumulator(dtype))
    height, width = a.block
    c = np.zeros((b.shape[0], a.shape[1]), b.dtype)
    for i in range(len(a.indptr) - 1):
        for p in range(a.indptr[i], a.indptr[i + 1]):
            for y, x in np.ndindex(height, width):
                m, k = i * height + y, a.indices[p] * width + x
                if m >= a.shape[0] or k >= a.shape[1]:
                    continue  # a block at the edge reaches beyond the matrix
                for n in range(b.shape[0]):
                    c[n, k] += b[n, m] * a.data[p, y, x]
    return c.astype(dtype)


def counts(b: Array, a: BSR) -> Counts:
    """Count what the loops do: those of ``C^T = A^T @ B^T``."""
    return bsr.counts(a, b.T)


DSMM_BSR = Kernel(
    DSMM,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(turned.run, columns.prepare, turned.work, fuses=True, device=ON_DEVICE),
    gpu=threads.OWNED,
    counts=counts,
)
