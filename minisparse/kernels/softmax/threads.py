"""Row softmax on CSR by threads: some lanes, a warp or a block for each row.

Three passes over a row: its largest value, the sum of the exponentials, the quotients. In each a
lane takes every so many-th entry, and between them lanes tell each other what they found. Which of
the rows' lengths decides how many threads share a row, so that short rows leave no lanes idle and
long ones do not wait for one warp; the same bits come out at every call.

After Gale, Zaharia, Young and Elsen, "Sparse GPU kernels for deep learning", SC 2020, section 6.1;
that the maximum and the sum could also be found in one pass: Milakov and Gimelshein, "Online
normalizer calculation for softmax", arXiv:1805.02867, 2018, as in
:mod:`minisparse.kernels.attention.threads`. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import CSR, Matrix, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.cells import with_values
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.primitives.launch import THREADS, blocks_for, counter, in_c_order, why_not
from minisparse.kernels.primitives.shuffles import (
    MOST_WARPS,
    block_max,
    block_sum,
    group_max,
    group_sum,
)
from minisparse.ops import Attrs

LONG = 1024
"""Mean length of rows from which a block shares each."""

wide: Any = np.float32
team = jit.WARP
"""Threads that share a row: a power of two up to a warp, or a block."""


@thread_program
def softmax_of_rows(indptr: Array, data: Array, c: Array, rows: Any) -> None:
    """Write ``exp(data[p] - largest) / total`` for every entry p of each row.

    ::

        team = 8     row m     p p p p p p p p p p p     entries of the row
                     thread    0 1 2 3 4 5 6 7 0 1 2     who looks at which

    A block takes as many rows at once as it has teams, then the next ones. Threads without a row,
    and those without an entry, have -inf as largest and 0 as sum, and help to hand on what others
    have. NaN is never the largest, but makes NaN of its exponential and so of the total; inf and
    nothing but -inf do so by ``inf - inf``.

    Parameters
    ----------
    indptr : ndarray of int, shape (M + 1,)
        Where rows start.
    data, c : ndarray, shape (nnz,)
        Values, and where their softmax goes.
    rows : int
        M, in a dtype that a grid's step beyond it fits.
    """
    parts = jit.shared_memory(wide, MOST_WARPS)
    teams = np.int32(jit.blockDim.x) // team
    own = np.int32(jit.threadIdx.x) % team
    for first in range(np.int32(jit.blockIdx.x) * teams, rows, np.int32(jit.gridDim.x) * teams):
        m = first + np.int32(jit.threadIdx.x) // team
        start = indptr[min(m, rows)] + own
        stop = indptr[min(m + 1, rows)]
        largest = wide(-np.inf)
        for p in range(start, stop, team):
            if wide(data[p]) > largest:
                largest = wide(data[p])
        if team > jit.WARP:
            largest = block_max(largest, parts)
        else:
            largest = group_max(largest, np.int32(team))
        total = wide(0)
        for p in range(start, stop, team):
            total += jit.exp(wide(data[p]) - largest)
        if team > jit.WARP:  # noqa: SIM108 - a constant, so that only one of them is compiled
            total = block_sum(total, parts)
        else:
            total = group_sum(total, np.int32(team))
        for p in range(start, stop, team):
            c[p] = jit.exp(wide(data[p]) - largest) / total


def team_for(entries: int, rows: int) -> int:
    """Return how many threads share a row: so many that each has about four entries.

    Examples
    --------
    >>> [team_for(1000 * mean, 1000) for mean in (0, 4, 20, 200, 5000)]
    [1, 1, 8, 32, 256]
    """
    mean = -(-entries // rows)
    if mean >= LONG:
        return THREADS
    return min(1 << max(-(-mean // 4) - 1, 0).bit_length(), jit.WARP)


def run(a: CSR, *, axis: int = -1) -> Matrix:
    """Return the softmax over the stored entries of each row."""
    c = namespace(a.data).empty(a.data.shape, a.dtype)
    if len(c):
        rows = a.shape[0]
        team = team_for(len(c), rows)
        threads = team if team > jit.WARP else min(THREADS, -(-rows * team // jit.WARP) * jit.WARP)
        blocks = blocks_for(rows, threads // team)
        program = softmax_of_rows.bind(wide=accumulator(a.dtype).type, team=team)
        count = counter(rows, blocks * threads)
        program((blocks,), (threads,), (a.indptr, in_c_order(a.data), c, count))
    return with_values(a, c)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what one launch does: values are read three times, and written once."""
    (a,) = types
    indices = float((a.dims[0] + 1) * a.index_itemsize)
    # An exponential takes about as long as ten additions, and there are two.
    flops, moved = 24.0 * a.nnz, indices + 4.0 * a.nnz * a.itemsize
    return Work(flops, moved, unit="elementwise", indices=indices, rows=float(a.dims[0]))


GPU = Level(run, work=work, why_not=why_not)
