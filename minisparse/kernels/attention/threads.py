"""Sparse attention by threads: a warp for each query, scores and weights never in memory.

Scores, softmax and weighted sum of one query after another, 32 keys at a time. The largest score of
a row is known only at its end; so what was summed with a smaller one is scaled down when a larger
one is met (Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867,
2018; Dao et al., "FlashAttention", NeurIPS 2022, algorithm 1)::

    keys of the row     |<-- 32 -->|<-- 32 -->|<- rest ->|
    largest so far         3.1        3.1        4.0          each part looks for a larger one
    total so far           t1         t1+t2      (t1+t2) e^(3.1-4.0) + t3
    C so far               c1         the mean of the values of V so far, by these weights

What is kept of C is always a weighted mean, divided by the total so far: it cannot overflow where
the result does not. CSR is BSR with blocks of 1 x 1 here, and one program serves both; COO is
sorted by rows once. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import BSR, COO, CSR, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.primitives.dots import dot_of_rows, lanes_for
from minisparse.kernels.primitives.launch import blocks_for, counter, in_c_order, why_not
from minisparse.kernels.primitives.search import starts_of_lines
from minisparse.kernels.primitives.shuffles import group_max, group_sum
from minisparse.kernels.primitives.sort import sorted_keys
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import Attrs
from minisparse.ops.attention import scale_of

WARPS = 4
"""Of a block: each has a query of its own, and none waits for another."""
MOST = 512
"""Columns of C that a warp sums at most, in shared memory: 16 kB of float64 for a block."""

wide: Any = np.float32
height = width = 1
"""Of a block of the mask."""
tile = 32
"""Columns of C that a warp sums."""


@thread_program
def attend(
    indptr: Array,
    indices: Array,
    mask: Array,
    q: Array,
    k: Array,
    v: Array,
    c: Array,
    scale: Any,
    queries: Any,
) -> None:
    """Write ``softmax(scale * mask * (q[m] . k[n])) @ v`` for each query m, n over its keys.

    ::

        grid    y: tiles of C's columns, with the scores made anew for each
                x: WARPS queries a block, then the next ones
        warp    lane i has the score of key i of 32, all lanes help with the dots; then lane i
                has columns i, i + 32 … of C, and goes through the 32 keys

    A lane beyond the last key, or with a key beyond the mask's edge, has no weight, and
    :data:`near` says so: a weight of 0 would make NaN of an inf in V.

    Parameters
    ----------
    indptr, indices : ndarray of int
        Of the mask's block rows.
    mask : ndarray, shape (nblocks, height, width)
        Values of the mask.
    q, k, v : ndarray, shape (M, D), (N, D), (N, E)
        Queries, keys and values.
    c : ndarray, shape (M, E)
        The result.
    scale : float
        Of the scores, in ``wide``.
    queries : int
        M, in a dtype that a grid's step beyond it fits.
    """
    sums = jit.shared_memory(wide, WARPS * tile)
    weights = jit.shared_memory(wide, WARPS * jit.WARP)
    near = jit.shared_memory(np.int64, WARPS * jit.WARP)
    lane = np.int32(jit.laneid())
    warp = np.int32(jit.threadIdx.x) // jit.WARP
    first = np.int32(jit.blockIdx.x) * WARPS + warp
    column = np.int32(jit.blockIdx.y) * tile
    columns = min(tile, c.shape[1] - column)
    for m in range(first, queries, np.int32(jit.gridDim.x) * WARPS):
        start = indptr[m // height]
        keys = (indptr[m // height + 1] - start) * width
        for e in range(lane, columns, jit.WARP):
            sums[warp * tile + e] = wide(0)
        largest = wide(-np.inf)
        total = wide(0)
        for part in range(0, keys, jit.WARP):
            # A score for each lane.
            i = min(part + lane, keys - 1)
            n = np.int64(indices[start + i // width]) * width + i % width
            exists = part + lane < keys and n < len(k)
            dot = dot_of_rows(q, np.int64(m), k, min(n, len(k) - 1))
            score = dot * wide(mask[start + i // width, m % height, i % width]) * scale
            found = group_max(score if exists else wide(-np.inf), np.int32(jit.WARP))
            peak = found if found > largest else largest
            # Its weight, beside what was there before. Where all was -inf so far, no weight yet.
            shift = peak if peak > wide(-np.inf) else wide(0)
            weight = jit.exp(score - shift) if exists else wide(0)
            before = total * jit.exp(largest - shift)
            total = before + group_sum(weight, np.int32(jit.WARP))
            share = total if total != wide(0) else wide(1)
            jit.syncwarp()  # the weights of the part before have been used
            weights[warp * jit.WARP + lane] = weight / share
            near[warp * jit.WARP + lane] = n if exists else np.int64(-1)
            jit.syncwarp()
            # The mean of the values so far.
            for e in range(lane, columns, jit.WARP):
                mean = sums[warp * tile + e] * (before / share)
                for j in range(warp * jit.WARP, warp * jit.WARP + min(jit.WARP, keys - part)):
                    if near[j] >= 0:
                        mean += weights[j] * wide(v[near[j], column + e])
                sums[warp * tile + e] = mean
            largest = peak
        for e in range(lane, columns, jit.WARP):
            # All scores -inf: 0 / 0 is NaN, as the softmax of such a row is. No key: 0.
            c[m, column + e] = sums[warp * tile + e] * (total / total) if keys > 0 else wide(0)


def tile_for(columns: int) -> int:
    """Return how many columns of C a warp sums: all, if they are not too many.

    Examples
    --------
    >>> [tile_for(columns) for columns in (3, 64, 65, 2000)]
    [32, 64, 128, 512]
    """
    return min(max(jit.WARP, 1 << (columns - 1).bit_length()), MOST)


def run(
    a: CSR | BSR,
    q: Array,
    k: Array,
    v: Array,
    scale: float | None = None,
    out: Array | None = None,
) -> Array:
    """Return ``softmax(scale * mask * (q @ k.T)) @ v``.

    Q, K and V are copied unless they lie in C order: rows of K and V are read many times.
    """
    dtype = np.result_type(a.dtype, q.dtype, k.dtype, v.dtype)
    shape = len(q), v.shape[1]
    c: Array = namespace(q).empty(shape, dtype) if out is None else out
    if c.size:
        wide, (height, width) = wide_dtype(dtype).type, a.block or (1, 1)
        tile = tile_for(shape[1])
        program = attend.bind(
            wide=wide,
            height=height,
            width=width,
            tile=tile,
            dot_of_rows=dot_of_rows.bind(wide=wide, lanes=lanes_for(q.shape[1])),
        )
        mask = in_c_order(a.data).reshape(-1, height, width)
        vectors = (in_c_order(x) for x in (q, k, v))
        blocks = blocks_for(shape[0], WARPS)
        factor = wide(scale_of(scale, q.shape[1]))
        queries = counter(shape[0], blocks * WARPS)
        program(
            (blocks, -(-shape[1] // tile)),
            (WARPS * jit.WARP,),
            (a.indptr, a.indices, mask, *vectors, c, factor, queries),
        )
    return c


def by_rows(a: COO, columns: int = 256) -> CSR:
    """Return the same entries row by row, duplicates apart and in stored order."""
    rows, order = sorted_keys(a.row, a.shape[0])
    indptr = starts_of_lines(rows, a.shape[0])
    return CSR._trusted(a.shape, data=a.data[order], indices=a.col[order], indptr=indptr)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what one launch does: a row of K and one of V for each score.

    Scores are made anew for each tile of C's columns. Two exponentials and ten exchanges of lanes
    are made for 32 keys, used or not.
    """
    mask, q, k, v = types
    (m, depth), width = q.dims, v.dims[1]
    tiles = -(-width // tile_for(max(width, 1)))
    scores, terms = float(tiles * mask.nnz * depth), float(mask.nnz * width)
    indices = float(tiles * (m + 1 + mask.nnz) * mask.index_itemsize)
    near = tiles * (q.size * q.itemsize + mask.nnz * mask.itemsize) + m * width * v.itemsize
    return Work(
        flops=2 * (scores + terms) + 20.0 * tiles * mask.nnz,
        bytes=indices + near + scores * k.itemsize + terms * v.itemsize,
        gathered=scores + terms,
        unit="elementwise",
        indices=indices,
        rows=float(tiles * m),
    )


GPU = Level(run, work=work, takes_out=True, why_not=why_not)
GPU_COO = Level(run, by_rows, work, takes_out=True, why_not=why_not)
