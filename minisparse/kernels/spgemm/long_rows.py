"""SpGEMM's rows that no table in shared memory holds: a plain row of N cells in memory for each.

Gustavson's own accumulator (ACM TOMS 4(3), 1978): a sum for each column, and a mark whether it was
met. A block of threads makes a row, along the rows of B as a warp does; then it goes through the
N marks, and what was met is written in the order of the columns::

    marks     0 1 1 0 | 0 0 1 1        as many at a time as the block has threads
    place     . 0 1 . | . . 2 3        running sums of the marks, on top of those before

As many rows are made at once as there is memory for. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.xp import namespace
from minisparse.gpu import device_function, jit, thread_program
from minisparse.kernels.primitives.launch import MOST_BLOCKS, THREADS, counter
from minisparse.kernels.primitives.shuffles import MOST_WARPS, block_running_sum, block_sum
from minisparse.kernels.spgemm.tables import add_alone

BYTES = 1 << 26
"""Of accumulators that are there at a time, unless one alone has more."""

wide: Any = np.float32
narrow: Any = np.float32
add: Any = add_alone


@device_function
def mark_cells(
    marks: Array,
    start: Any,
    m: Any,
    a_indptr: Array,
    a_indices: Array,
    b_indptr: Array,
    b_indices: Array,
) -> None:
    """Mark the columns that row m of C has, from ``start`` on: the threads of a block together.

    Threads may mark the same column, with the same mark.
    """
    for p in range(a_indptr[m], a_indptr[m + 1]):
        k = a_indices[p]
        first = b_indptr[k] + np.int32(jit.threadIdx.x)
        for q in range(first, b_indptr[k + 1], np.int32(jit.blockDim.x)):
            jit.atomic_exch(marks, start + np.int64(b_indices[q]), 1)


@thread_program
def count_marks(
    rows: Array,
    a_indptr: Array,
    a_indices: Array,
    b_indptr: Array,
    b_indices: Array,
    marks: Array,
    counts: Array,
    columns: Any,
    count: Any,
) -> None:
    """Write how many cells some rows of C have: a block for each of ``rows``, then the next.

    Parameters
    ----------
    rows : ndarray of int
        Which rows of C.
    a_indptr, a_indices, b_indptr, b_indices : ndarray of int
        Of A and B.
    marks : ndarray of int32, shape (blocks * N,)
        Zeros, and zeros again in the end.
    counts : ndarray of int, shape (M,)
        The result.
    columns, count : int
        N, and the number of rows.
    """
    parts = jit.shared_memory(np.int32, MOST_WARPS)
    start = np.int64(jit.blockIdx.x) * columns
    for i in range(np.int32(jit.blockIdx.x), count, np.int32(jit.gridDim.x)):
        mark_cells(marks, start, rows[i], a_indptr, a_indices, b_indptr, b_indices)
        jit.syncthreads()
        found = np.int32(0)
        for n in range(np.int32(jit.threadIdx.x), columns, np.int32(jit.blockDim.x)):
            found += marks[start + n]
            marks[start + n] = np.int32(0)
        found = block_sum(found, parts)
        if jit.threadIdx.x == 0:
            counts[rows[i]] = found


@thread_program
def sum_marked(
    rows: Array,
    a_indptr: Array,
    a_indices: Array,
    a_data: Array,
    b_indptr: Array,
    b_indices: Array,
    b_data: Array,
    indptr: Array,
    indices: Array,
    data: Array,
    marks: Array,
    sums: Array,
    columns: Any,
    count: Any,
) -> None:
    """Write columns and sums of some rows of C: a block for each of ``rows``, then the next.

    Parameters
    ----------
    rows : ndarray of int
        Which rows of C.
    a_indptr, a_indices, a_data, b_indptr, b_indices, b_data : ndarray
        Of A and B.
    indptr, indices, data : ndarray
        Where C's rows start, and where their columns and values go.
    marks, sums : ndarray, shape (blocks * N,)
        Of int32 and of ``wide``: zeros, and zeros again in the end.
    columns, count : int
        N, and the number of rows.
    """
    parts = jit.shared_memory(np.int32, MOST_WARPS)
    t = np.int32(jit.threadIdx.x)
    size = np.int32(jit.blockDim.x)
    start = np.int64(jit.blockIdx.x) * columns
    for i in range(np.int32(jit.blockIdx.x), count, np.int32(jit.gridDim.x)):
        m = rows[i]
        mark_cells(marks, start, m, a_indptr, a_indices, b_indptr, b_indices)
        for p in range(a_indptr[m], a_indptr[m + 1]):
            k = a_indices[p]
            weight = wide(a_data[p])
            for q in range(b_indptr[k] + t, b_indptr[k + 1], size):
                add(sums, start + np.int64(b_indices[q]), weight * wide(b_data[q]))
            jit.syncthreads()
        place = np.int64(indptr[m])
        for first in range(0, columns, size):
            n = first + t
            met = np.int32(0)
            if n < columns:
                met = marks[start + n]
            total = block_running_sum(met, parts)
            if met == 1:
                indices[place + total - 1] = n
                data[place + total - 1] = narrow(sums[start + n])
                marks[start + n] = np.int32(0)
                sums[start + n] = wide(0)
            place += np.int64(parts[size // jit.WARP - 1])
            jit.syncthreads()


def count(args: tuple[Array, ...], counts: Array, columns: int) -> None:
    """Write how many cells some rows of C have.

    Parameters
    ----------
    args : tuple of ndarray
        The rows, and the pointers and indices of A and B.
    counts : ndarray of int, shape (M,)
        Where.
    columns : int
        N.
    """
    xp, rows = namespace(counts), args[0]
    blocks = blocks_of(len(rows), columns, np.int32().itemsize)
    marks = xp.zeros(blocks * columns, np.int32)
    sizes = counter(columns, THREADS), counter(len(rows), blocks)
    count_marks((blocks,), (THREADS,), (*args, marks, counts, *sizes))


def add_up(args: tuple[Array, ...], columns: int, wide: Any, narrow: Any, add: Any) -> None:
    """Write columns and sums of some rows of C.

    Parameters
    ----------
    args : tuple of ndarray
        The rows, and the arrays of A, B and C.
    columns : int
        N.
    wide, narrow : type
        In what is summed, and C's.
    add : DeviceFunction
        How.
    """
    xp, rows = namespace(args[-1]), args[0]
    blocks = blocks_of(len(rows), columns, np.int32().itemsize + wide().itemsize)
    marks, sums = xp.zeros(blocks * columns, np.int32), xp.zeros(blocks * columns, wide)
    sizes = counter(columns, THREADS), counter(len(rows), blocks)
    program = sum_marked.bind(wide=wide, narrow=narrow, add=add)
    program((blocks,), (THREADS,), (*args, marks, sums, *sizes))


def blocks_of(rows: int, columns: int, itemsize: int) -> int:
    """Return how many rows are made at once."""
    return max(1, min(rows, BYTES // (columns * itemsize), MOST_BLOCKS))
