"""SpMM on BSR transposed: ``C[k, n] = sum_m A[m, k] * B[m, n]``, A ``[M, K]`` in blocks of r x c.

A block ``[r, c]`` adds ``block^T @ (r rows of B)`` to c rows of C. For the vectorized level the
blocks of each block column are laid side by side, transposed: one small dense product each.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import panels
from minisparse.kernels.spmm_t import columns, threads
from minisparse.kernels.spmm_t.on_device import ON_DEVICE
from minisparse.ops import SPMM_T


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A and B once, and c rows of C read and written per block."""
    r, c = a.block or (1, 1)
    m, n = b.dims
    blocks = a.nnz // (r * c)
    index_bytes = (-(-m // r) + 1 + blocks) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (m + 2 * blocks * c) * n * b.itemsize


def loops(a: BSR, b: Array) -> Array:
    """Follow the formula, block by block, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    height, width = a.block
    c = np.zeros((a.shape[1], b.shape[1]), b.dtype)
    for i in range(len(a.indptr) - 1):
        for p in range(a.indptr[i], a.indptr[i + 1]):
            for y, x in np.ndindex(height, width):
                m, k = i * height + y, a.indices[p] * width + x
                if m >= a.shape[0] or k >= a.shape[1]:
                    continue  # a block at the edge reaches beyond the matrix
                for n in range(b.shape[1]):
                    c[k, n] += a.data[p, y, x] * b[m, n]
    return c.astype(dtype)


def counts(a: BSR, b: Array) -> Counts:
    """Count what the loops do: c rows of C for each block, fewer at the matrix's edge."""
    (m, k), n, dtype = a.shape, b.shape[1], np.result_type(a.data, b)
    height, width = a.block
    blocks = np.diff(a.indptr)
    heights = np.minimum(height, m - height * np.arange(len(blocks)))
    widths = np.minimum(width, k - width * a.indices.astype(np.int64))
    stored = int(np.repeat(heights, blocks) @ widths)
    rows_of_b = int(heights[blocks > 0].sum())
    return Counts(
        flops=2 * stored * n,
        value_bytes=stored * a.data.itemsize * (n > 0)
        + rows_of_b * n * b.itemsize
        + k * n * dtype.itemsize,
        index_bytes=a.indptr.nbytes * (m > 0) + a.indices.nbytes,
        gathered_bytes=2 * int(widths.sum()) * n * dtype.itemsize,
        scratch=widened_bytes(b, dtype, k * n),
        calls=2 * len(blocks) + a.nnz + 4 * stored * n,
    )


SPMM_T_BSR = Kernel(
    SPMM_T,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, columns.prepare, columns.work, fuses=True, device=ON_DEVICE),
    gpu=threads.OWNED,
    counts=counts,
)
