"""SpMM on BSR: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A ``[M, K]`` in dense blocks of r x c.

Block row i of C is the sum of ``block[r, c] @ (c rows of B)`` over its blocks. Laid side by side,
the blocks of a block row are one matrix ``[r, count * c]``, and their rows of B, gathered, one
``[count * c, N]``: so a block row is one dense product, and block rows with the same count are one
batched product. No zeros are added but where blocks reach beyond the matrix, and these meet rows
of zeros.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Pattern
from minisparse.kernels.counts import Counts, inside_blocks, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm import panels, threads_bsr
from minisparse.kernels.spmm.on_device import ON_DEVICE
from minisparse.kernels.spmm.work import block_work
from minisparse.kernels.wide import aligned_empty, wide_dtype
from minisparse.ops import SPMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, c rows of B per block, and C once."""
    r, c = a.block or (1, 1)
    m, n = a.dims[0], b.dims[1]
    blocks = a.nnz // (r * c)
    index_bytes = (-(-m // r) + 1 + blocks) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (blocks * c + m) * n * b.itemsize


def loops(a: BSR, b: Array) -> Array:
    """Follow the formula, block by block, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    height, width = a.block
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for i in range(len(a.indptr) - 1):
        for p in range(a.indptr[i], a.indptr[i + 1]):
            for y, x in np.ndindex(height, width):
                m, k = i * height + y, a.indices[p] * width + x
                if m >= a.shape[0] or k >= a.shape[1]:
                    continue  # a block at the edge reaches beyond the matrix
                for n in range(b.shape[1]):
                    c[m, n] += a.data[p, y, x] * b[k, n]
    return c.astype(dtype)


def counts(a: BSR, b: Array) -> Counts:
    """Count what the loops do: c rows of B for each block, fewer at the matrix's edge."""
    (m, n), dtype = (a.shape[0], b.shape[1]), np.result_type(a.data, b)
    heights, widths = inside_blocks(a)
    stored = int(heights @ widths)
    return Counts(
        flops=2 * stored * n,
        value_bytes=stored * a.data.itemsize * (n > 0) + m * n * dtype.itemsize,
        index_bytes=a.indptr.nbytes * (m > 0) + a.indices.nbytes,
        gathered_bytes=int(widths.sum()) * n * b.itemsize,
        scratch=widened_bytes(b, dtype, m * n),
        calls=2 * (len(a.indptr) - 1) + a.nnz + 4 * stored * n,
    )


def prepare(a: BSR, columns: int = 256) -> panels.Panels:
    """Lay the blocks of each block row side by side, block rows of the same count together."""
    r, c = a.block
    counts = np.diff(a.indptr)
    position = np.full(-(-a.shape[0] // r) * r, np.count_nonzero(counts) * r, np.intp)
    chunks: list[panels.Chunk] = []
    start = 0
    wide = wide_dtype(a.data)
    for count in np.unique(counts[counts > 0]):
        of_count = np.flatnonzero(counts == count)
        chunks.append(_side_by_side(a, of_count, int(count)))
        lines = of_count[:, None] * r + np.arange(r)
        position[lines] = start + np.arange(lines.size).reshape(lines.shape)
        start += lines.size
    in_place = np.array_equal(position, np.arange(len(position)))
    return panels.Panels(
        tuple(chunks), None if in_place else position[: a.shape[0]], a.shape, a.dtype, wide, group=c
    )


def _side_by_side(a: BSR, block_rows: Array, count: int) -> panels.Chunk:
    """Return the blocks of block rows that all have ``count`` of them."""
    r, c = a.block
    slots = a.indptr[block_rows][:, None].astype(np.intp) + np.arange(count)
    values = aligned_empty((len(block_rows), r, count * c), wide_dtype(a.data))
    values.reshape(len(block_rows), r, count, c)[...] = a.data[slots].transpose(0, 2, 1, 3)
    return panels.Chunk(values, a.indices[slots].astype(np.intp))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the block rows do; the type tells how many blocks there are."""
    return block_work(types, pattern.row_counts)


SPMM_BSR = Kernel(
    SPMM,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, prepare, work, fuses=True, device=ON_DEVICE),
    gpu=threads_bsr.GPU,
    counts=counts,
)
