"""SpMV on CSR in pieces of equal size: each thread makes as many steps, whatever the rows' lengths.

Merrill and Garland, "Merge-based parallel sparse matrix-vector multiplication", SC 2016. All work
is a path of steps: one adds an entry to the sum at hand, or writes that sum, as a row has ended.
The path is known before it is walked, as it merges two lists, the slots of the entries and the ends
of the rows::

    entries       0 1 2 | 3 | | 4 5 6 7 8       5 rows that end at 3, 4, 4, 9 and 9
    steps         e e e w e w w e e e e e w w   e: an entry; w: a row ends, its sum is written
    threads       0 0 0 0 1 1 1 1 2 2 2 2 3 3   here of 4 steps each

Where a thread begins, a binary search tells: among the first s steps are those ends of rows i for
which ``indptr[i + 1] + i < s``. A thread knows the whole sum of all rows that begin with it and end
with it. Of a row that goes on beyond, it leaves what it has, a carry, for the thread that ends it.
Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.xp import namespace
from minisparse.formats import CSR
from minisparse.gpu import device_function, jit, thread_program
from minisparse.kernels.registers import Registers, put
from minisparse.kernels.spmm.threads import THREADS, fitting, in_blocks

ITEMS = 7
"""Steps of a thread. Odd, so that threads which are as many elements of shared memory apart find
them in different banks, as Merrill and Garland have it."""

wide: Any = np.float32
slot: Any = np.int32
"""What counts steps: rows and entries together."""
threads, items, doublings = THREADS, ITEMS, 7


@device_function
def rows_ended(indptr: Array, step: Any, low: Any, high: Any) -> Any:
    """Return how many rows end before a step, which are from ``low`` to ``high``."""
    while low < high:
        middle = (low + high) >> 1
        if indptr[middle + 1] + middle < step:
            low = middle + 1
        else:
            high = middle
    return low


@device_function
def add_carries(of_row: Any, carry: Any, t: Any, m: Any, total: Any) -> Any:
    """Add to what a thread has of its row what threads before it have of the same row.

    After ``doublings`` rounds, in which each adds what the thread 1, 2, 4 … before it has, it has
    all that its row got in the block until then (Hillis and Steele, "Data parallel algorithms",
    CACM 29(12), 1986).
    """
    of_row[t] = m
    carry[t] = total
    for doubling in range(doublings):
        jit.syncthreads()
        before = wide(0)
        if t >= 1 << doubling and of_row[t - (1 << doubling)] == m:
            before = carry[t - (1 << doubling)]
        jit.syncthreads()
        total = before + total
        carry[t] = total
    jit.syncthreads()
    return total


@thread_program
def spmv_merge_path(
    data: Array,
    indices: Array,
    indptr: Array,
    x: Array,
    y: Array,
    first: Array,
    second: Array,
    ended: Array,
    carries: Array,
    endings: Array,
    rows: Any,
    steps: Any,
) -> None:
    """Walk ``items`` steps of the path in each thread.

    1. The threads of a block multiply its entries, neighbors reading neighboring ones, and keep the
       products in shared memory.
    2. Each walks its steps over these. The rows that it begins and ends are written at once.
    3. Carries of the same row are added.
    4. The first row that a thread ended gets the carry of the thread before. If it began in another
       block it waits in ``endings`` for :func:`spmv_merge_carries`, as do the block's ``carries``,
       and ``ended``, how many rows have ended.
    """
    t = np.int32(jit.threadIdx.x)
    block = np.int32(jit.blockIdx.x)
    start = min(slot(block) * (threads * items), steps)
    stop = min(start + threads * items, steps)
    top = rows_ended(indptr, start, slot(0), rows)
    bottom = rows_ended(indptr, stop, top, rows)
    base = start - top
    products = jit.shared_memory(wide, threads * items)
    for q in range(base + t, stop - bottom, threads):
        products[q - base] = wide(data[q]) * wide(x[indices[q]])
    jit.syncthreads()

    here = min(start + t * items, stop)
    m = rows_ended(indptr, here, top, bottom)
    p = here - m
    ends = slot(0)
    row = m
    total = wide(0)
    whole = wide(0)
    for _ in range(here, min(here + items, stop)):
        if p < indptr[m + 1]:
            total += products[p - base]
            p += 1
        else:
            if ends == 0:
                whole = total
            else:
                put(total, y, m, 0, first, second)
            ends += 1
            m += 1
            total = wide(0)

    of_row = jit.shared_memory(slot, threads)
    carry = jit.shared_memory(wide, threads)
    total = add_carries(of_row, carry, t, m, total)
    if ends > 0:
        if t > 0 and of_row[t - 1] == row:
            whole = carry[t - 1] + whole
        if row == top and indptr[top] < base:
            endings[block] = whole
        else:
            put(whole, y, row, 0, first, second)
    if t == threads - 1:
        ended[block] = m
        carries[block] = total


@thread_program
def spmv_merge_carries(
    indptr: Array,
    y: Array,
    first: Array,
    second: Array,
    ended: Array,
    carries: Array,
    endings: Array,
    blocks: int,
) -> None:
    """Add up, in order, the parts of the row that a block ended and another began: thread b - 1.

    ::

        block     0       1       2       3
        rows    0 0 1 1|1 1 1 1|1 1 1 1|1 2 2 2     row 1 ended in block 3: carries 0, 1, 2 and
                     carry   carry   carry ending   the ending make its sum
    """
    b = np.int32(jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x) + 1
    if b < blocks:
        row = ended[b - 1]
        start = slot(b) * (threads * items) - row
        if ended[b] > row and indptr[row] < start:
            s = b - 1
            while s > 0 and ended[s - 1] == row:
                s -= 1
            total = wide(0)
            for q in range(s, b):
                total += carries[q]
            total += endings[b]
            put(total, y, row, 0, first, second)


def by_merging(
    a: CSR, x: Array, y: Array, own: Registers, threads: int = THREADS, items: int = ITEMS
) -> None:
    """Launch blocks of ``threads`` that make ``items`` steps each; ``y`` is ``[M, 1]``.

    Parameters
    ----------
    threads : int
        A power of two.
    items : int
        At least 1.
    """
    xp, real, steps = namespace(x), accumulator(y.dtype), a.shape[0] + a.nnz
    span = threads * items
    fits = steps + span <= np.iinfo(np.int32).max
    count = a.indptr.dtype.type if fits else np.int64
    names = {"wide": real.type, "put": own.put, "slot": count, "threads": threads, "items": items}
    adding = add_carries.bind(wide=real.type, doublings=threads.bit_length() - 1)
    blocks = in_blocks(steps, span)
    ended = xp.empty(blocks, count)
    carries, endings = xp.empty(blocks, real), xp.empty(blocks, real)
    beside = (y, own.first, own.second, ended, carries, endings)
    spmv_merge_path.bind(**names, add_carries=adding)(
        (blocks,),
        (threads,),
        (a.data, a.indices, a.indptr, x, *beside, count(a.shape[0]), count(steps)),
    )
    if blocks > 1:
        high = fitting(blocks - 1, THREADS)
        spmv_merge_carries.bind(**names)(
            (in_blocks(blocks - 1, high),), (high,), (a.indptr, *beside, blocks)
        )
