"""SpMV on BSR: ``y[m] = sum_k A[m, k] * x[k]``, A ``[M, K]`` in dense blocks of r x c.

A block row of y is the sum of ``block[r, c] @ (c elements of x)`` over its blocks. Laid side by
side they are one matrix times one vector, gathered c elements at a time. Few are not worth their
calls, and are packed as rows are.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Pattern
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm import bsr as spmm_bsr
from minisparse.kernels.spmm.work import block_lines, block_work
from minisparse.kernels.spmv import packed, threads_bsr
from minisparse.kernels.spmv.on_device import ON_DEVICE
from minisparse.ops import SPMV, Attrs

FEW = 1 << 16
"""Up to so many stored values, calls take more time than the gather of single elements."""


def bytes_moved(a: TensorType, x: TensorType) -> int:
    """Count A once, c elements of x per block, and y once."""
    r, c = a.block or (1, 1)
    m = a.dims[0]
    blocks = a.nnz // (r * c)
    index_bytes = (-(-m // r) + 1 + blocks) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (blocks * c + m) * x.itemsize


def loops(a: BSR, x: Array) -> Array:
    """Follow the formula, block by block, one multiply-add at a time."""
    dtype = np.result_type(a.data, x)
    x = x.astype(accumulator(dtype))
    height, width = a.block
    y = np.zeros(a.shape[0], x.dtype)
    for i in range(len(a.indptr) - 1):
        for p in range(a.indptr[i], a.indptr[i + 1]):
            for r, c in np.ndindex(height, width):
                m, k = i * height + r, a.indices[p] * width + c
                if m >= a.shape[0] or k >= a.shape[1]:
                    continue  # a block at the edge reaches beyond the matrix
                y[m] += a.data[p, r, c] * x[k]
    return y.astype(dtype)


def counts(a: BSR, x: Array) -> Counts:
    """Count what the loops do: as those of SpMM with one column."""
    return spmm_bsr.counts(a, x[:, None])


def prepare(a: BSR, columns: int = 1) -> packed.Packed:
    """Lay blocks side by side; where there are few, pack their rows, which takes fewer calls."""
    return packed.prepare(a) if a.nnz <= FEW else spmm_bsr.prepare(a, 1)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the block rows do for one column, or rows that are all alike."""
    a, x = types
    k = a.dims[1]
    if a.nnz <= FEW:
        rows, columns = block_lines(pattern, a)
        return packed.work_of(np.full(rows, min(a.nnz // max(rows, 1), k)), columns, types)
    return block_work((a, TensorType((*x.shape, 1), x.dtype)), pattern.row_counts)


SPMV_BSR = Kernel(
    SPMV,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(
        packed.run,
        prepare,
        work,
        takes_out=True,
        prepare_once=packed.prepare_once,
        device=ON_DEVICE,
    ),
    gpu=threads_bsr.GPU,
    counts=counts,
)
