"""SDDMM on BSR: ``C[m, n] = A[m, n] * sum_d X[m, d] * Y[d, n]`` in the dense blocks of A.

A block of r x c is a small matrix product, ``X[r rows] @ Y[c columns]``, and blocks are many of
them: a batch. Nothing is computed in vain but where blocks reach beyond the matrix; there the
result stays zero.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Matrix, Pattern
from minisparse.formats.compressed import expand
from minisparse.kernels.blas import one_thread
from minisparse.kernels.counts import Counts, inside_blocks, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.sddmm.edges import fill_outside
from minisparse.kernels.sddmm.lines import gather, lines_of
from minisparse.kernels.sddmm.on_device import ON_DEVICE
from minisparse.kernels.sddmm.threads import GPU_BSR
from minisparse.kernels.threads import share, usable_threads
from minisparse.ops import SDDMM, Attrs

AT_ONCE = 1 << 17
"""Elements of X, Y and C that a batch holds."""
SHARED = 1 << 24
"""From so many multiply-adds on, threads share the batches."""


def bytes_moved(a: TensorType, x: TensorType, y: TensorType) -> int:
    """Count A once, r rows of X and c columns of Y per block, and the new values once."""
    r, c = a.block or (1, 1)
    blocks = a.nnz // (r * c)
    index_bytes = (-(-a.dims[0] // r) + 1 + blocks) * a.index_itemsize
    read = blocks * x.dims[1] * (r * x.itemsize + c * y.itemsize)
    return index_bytes + 2 * a.nnz * a.itemsize + read


def loops(a: BSR, x: Array, y: Array) -> Matrix:
    """Follow the formula, block by block, one multiply-add at a time."""
    dtype = np.result_type(a.data, x, y)
    x, y = x.astype(accumulator(dtype)), y.astype(accumulator(dtype))
    height, width = a.block
    c = np.zeros(a.data.shape, x.dtype)
    for i in range(len(a.indptr) - 1):
        for p in range(a.indptr[i], a.indptr[i + 1]):
            for u, v in np.ndindex(height, width):
                m, n = i * height + u, a.indices[p] * width + v
                if m >= a.shape[0] or n >= a.shape[1]:
                    continue  # a block at the edge reaches beyond the matrix
                for d in range(x.shape[1]):
                    c[p, u, v] += x[m, d] * y[d, n]
                c[p, u, v] *= a.data[p, u, v]
    return a.with_data(c.astype(dtype))


def counts(a: BSR, x: Array, y: Array) -> Counts:
    """Count what the loops do: c columns of Y for each block, fewer at the matrix's edge."""
    d, dtype = x.shape[1], np.result_type(a.data, x, y)
    heights, widths = inside_blocks(a)
    stored, steps = int(heights @ widths), int(heights @ widths) * d
    rows_of_x = int(heights[a.indptr[:-1][np.diff(a.indptr) > 0]].sum())
    return Counts(
        flops=2 * steps + stored,
        value_bytes=stored * a.data.itemsize + rows_of_x * d * x.itemsize + a.nnz * dtype.itemsize,
        index_bytes=a.indptr.nbytes * (a.shape[0] > 0) + a.indices.nbytes,
        gathered_bytes=int(widths.sum()) * d * y.itemsize,
        scratch=widened_bytes(x, dtype, a.nnz) + widened_bytes(y, dtype, 0),
        calls=2 * (len(a.indptr) - 1) + a.nnz + 3 * stored + 4 * steps,
    )


def vectorized(a: BSR, x: Array, y: Array) -> Matrix:
    """Compute a batch of blocks after another."""
    dtype = np.result_type(a.data, x, y)
    wide, depth = accumulator(dtype), x.shape[1]
    left, right = lines_of(x, wide), lines_of(y.T, wide)
    count, r, c = a.data.shape
    row = expand(a.indptr).astype(np.intp)[:, None] * r + np.arange(r)
    col = a.indices.astype(np.intp)[:, None] * c + np.arange(c)
    # Beyond the edge any row will do: the result there is zeroed in the end.
    row, col = np.minimum(row, a.shape[0] - 1), np.minimum(col, a.shape[1] - 1)
    step = max(1, min(AT_ONCE // ((r + c) * depth + r * c), count))
    values = np.empty(a.data.shape, dtype)

    def compute(p: int) -> None:
        part = slice(p, p + step)
        upper = gather("left factor", left, row[part], wide)
        lower = gather("right factor", right, col[part], wide)
        dots = np.matmul(upper, lower.transpose(0, 2, 1))
        values[part] = dots * a.data[part].astype(wide, copy=False)

    threads = usable_threads() if a.nnz * depth >= SHARED else 1
    with one_thread():
        share(compute, range(0, count, step), threads)
    fill_outside(a, values, 0)
    return a.with_data(values)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return batches of small matrix products; the type tells how many blocks there are."""
    a, x, y = types
    r, c = a.block or (1, 1)
    depth = x.dims[1]
    gathered = a.nnz // (r * c) * (r + c) * depth
    calls = 5.0 * (1 + (gathered + a.nnz) / AT_ONCE)
    efficiency = min(1.0, min(r, c) / 16)
    moved = float(bytes_moved(a, x, y) + gathered * x.itemsize)
    return Work(2.0 * a.nnz * depth, moved, float(gathered), calls, efficiency)


SDDMM_BSR = Kernel(
    SDDMM,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE),
    gpu=GPU_BSR,
    counts=counts,
)
