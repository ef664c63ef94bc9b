"""SpMM on BSR by threads: a block of threads owns a tile of a block row of C.

For each block of A the threads bring the rows of B that it meets to shared memory, once for all
rows of the block, and then each adds to its own element of C::

    block [r, c] of A             B, c rows, 32 columns              C, r rows, 32 columns
    a a a a   thread row 0        b b b b b b b b ...  } to shared   each element is a
    a a a a   thread row 1   @    b b b b b b b b ...  } memory,     thread's own
    a a a a   thread row 2        b b b b b b b b ...  } a part of
                                  b b b b b b b b ...  } c at a time

An element of B is read from memory once where CSR's threads read it r times. Blocks should be
large: of r rows, only r times 32 threads share a tile, and blocks of less than 4 rows keep a card
less busy than CSR does. Each element is summed by one thread, block after block: the same bits as
those of the loops, at every call. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.registers import Registers, put
from minisparse.kernels.spmm.threads import (
    MOST_ALONG_Y,
    fitting,
    in_blocks,
    new_result,
    own_elements,
    why_not,
)
from minisparse.kernels.spmv import threads_bsr as spmv
from minisparse.ops import Attrs

MOST_THREADS = 512
"""Of a block; two of these fit a multiprocessor's registers with room to spare."""
DEPTH = 32
"""Rows of B in shared memory at once."""

wide: Any = np.float32
height, width = 32, 32
across, high, depth, parts = 32, 16, DEPTH, 2


@thread_program
def spmm_block_row(
    data: Array,
    indices: Array,
    indptr: Array,
    b: Array,
    c: Array,
    first: Array,
    second: Array,
    rows: int,
    inner: int,
    columns: int,
    tiles: int,
) -> None:
    """Sum ``high`` rows of block row i of C, ``across`` columns at a time.

    Block rows taller than ``high`` are shared by ``parts`` blocks of threads. All threads of a
    block go through the same loops, also those that own nothing, since all wait at the barriers.
    """
    x = np.int32(jit.threadIdx.x)
    ty = np.int32(jit.threadIdx.y)
    i = np.int32(jit.blockIdx.x) // parts
    y = np.int32(jit.blockIdx.x) % parts * high + ty
    m = i * height + y
    shared = jit.shared_memory(wide, depth * across)
    for tile in range(np.int32(jit.blockIdx.y), tiles, np.int32(jit.gridDim.y)):
        n = tile * across + x
        total = wide(0)
        for p in range(indptr[i], indptr[i + 1]):
            k = indices[p] * width
            inside = min(width, inner - k)
            for start in range(0, inside, depth):
                deep = min(depth, inside - start)
                jit.syncthreads()
                if n < columns:
                    for z in range(ty, deep, high):
                        shared[z * across + x] = wide(b[k + start + z, n])
                jit.syncthreads()
                if y < height and m < rows and n < columns:
                    for z in range(deep):
                        total += wide(data[p, y, start + z]) * shared[z * across + x]
        if y < height and m < rows and n < columns:
            put(total, c, m, n, first, second)


def multiply(a: BSR, b: Array, c: Array, own: Registers) -> None:
    """Write ``A @ B`` to c, which has elements."""
    if c.shape[1] == 1:
        spmv.multiply(a, b[:, 0], c, own)
        return
    (m, n), inner, (r, k) = c.shape, b.shape[0], a.block
    columns = fitting(n, jit.WARP)
    lines = fitting(r, MOST_THREADS // columns)
    shares, tiles = in_blocks(r, lines), in_blocks(n, columns)
    program = spmm_block_row.bind(
        wide=accumulator(c.dtype).type,
        put=own.put,
        height=r,
        width=k,
        across=columns,
        high=lines,
        depth=min(k, DEPTH),
        parts=shares,
    )
    args = (a.data, a.indices, a.indptr, b, c, own.first, own.second, m, inner, n, tiles)
    grid = (len(a.indptr) - 1) * shares, min(tiles, MOST_ALONG_Y)
    program(grid, (columns, lines), args)


def run(a: BSR, b: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ B`` for B ``[K, N]``."""
    c = new_result(a, b, (a.shape[0], b.shape[1]), out)
    return own_elements(c, finish, lambda own: multiply(a, b, c, own))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does: c rows of B for each block, and A for each tile."""
    a, b = types
    (r, c), n, m = a.block or (1, 1), b.dims[1], a.dims[0]
    blocks = a.nnz // (r * c)
    tiles, shares = in_blocks(n, jit.WARP), in_blocks(r, MOST_THREADS // jit.WARP)
    indices = float(tiles * shares * (blocks + in_blocks(m, r) + 1) * a.index_itemsize)
    gathered = float(shares * blocks * c * n)
    if n == 1:
        return spmv.work(pattern, (a, TensorType(b.shape[:1], b.dtype)))
    return Work(
        flops=2.0 * a.nnz * n,
        bytes=indices
        + float(tiles * a.nnz * a.itemsize + m * n * b.itemsize)
        + gathered * b.itemsize,
        gathered=gathered,
        unit="elementwise",
        indices=indices,
        rows=float(tiles * in_blocks(m, r)),
    )


GPU = Level(run, None, work, fuses=True, why_not=why_not)
