"""SpGEMM on BSR: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A in blocks of r x c, B in ones of c x s.

Gustavson's order with blocks for numbers: block (i, j) of C, r x s, is the sum of
``A[i, k] @ B[k, j]`` over the k for which both blocks are stored. The array code lays the blocks of
A that a block of C needs side by side, ``[r, count * c]``, and those of B below each other,
``[count * c, s]``: so it is one dense product, and all of the same count are one batched product.

n:m has no kernel: where each group of A holds n entries, a row of C meets so much of B that the
product is dense, or as good as dense; convert to CSR, or multiply dense.
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.index import index_dtype
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Pattern
from minisparse.formats.ordering import sorted_keys
from minisparse.gpu.segments import segment_sums
from minisparse.kernels.counts import Counts, inside_blocks
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spgemm.bound import bound_of_rows, rows_of
from minisparse.kernels.spgemm.expected import expected_products, expected_stored
from minisparse.kernels.spgemm.growing import Growing
from minisparse.kernels.spgemm.meeting import Meeting, meet, some_rows
from minisparse.kernels.spgemm.on_device import ON_DEVICE
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import SPGEMM, Attrs

PAIRS = 1 << 16
"""Pairs of blocks that are looked at at a time, unless one block row has more."""
GATHERED = 1 << 19
"""Elements of gathered blocks that are held at once."""


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, a block row of B per block of A, and C once: of a random pattern of blocks."""
    blocks_a, blocks_b = _of_blocks(a), _of_blocks(b)
    (r, c), s = a.block or (1, 1), (b.block or (1, 1))[1]
    pairs, stored = expected_products(blocks_a, blocks_b), expected_stored(blocks_a, blocks_b)
    values = a.nnz * a.itemsize + (pairs * c * s + stored * r * s) * b.itemsize
    indices = 2 * blocks_a.dims[0] + 2 + 3 * blocks_a.nnz + pairs + stored
    return int(values + indices * a.index_itemsize)


def _of_blocks(a: TensorType) -> TensorType:
    """Return the type of a matrix with a number for each block."""
    r, c = a.block or (1, 1)
    (m, k), count = a.dims, a.nnz // (r * c)
    return TensorType((-(-m // r), -(-k // c)), a.dtype, "csr", count, a.index_dtype)


def loops(a: BSR, b: BSR) -> BSR:
    """Follow the formula, block by block, one multiply-add at a time."""
    dtype = np.result_type(a.data, b.data)
    wide = accumulator(dtype)
    a_data, b_data = a.data.astype(wide), b.data.astype(wide)
    (r, s), shape = (a.block[0], b.block[1]), (a.shape[0], b.shape[1])
    data, indices, indptr = [], [], [0]
    for i in range(len(a.indptr) - 1):
        c = {}
        for p in range(a.indptr[i], a.indptr[i + 1]):
            for q in range(b.indptr[a.indices[p]], b.indptr[a.indices[p] + 1]):
                j = b.indices[q]
                if j not in c:
                    c[j] = np.zeros((r, s), wide)
                for y, x, z in np.ndindex(r, a.block[1], s):
                    m, k, n = i * r + y, a.indices[p] * a.block[1] + x, j * s + z
                    if m >= shape[0] or k >= a.shape[1] or n >= shape[1]:
                        continue  # a block at the edge reaches beyond the matrix
                    c[j][y, z] += a_data[p, y, x] * b_data[q, x, z]
        for j in sorted(c):
            indices.append(j)
            data.append(c[j])
        indptr.append(len(indices))
    blocks = np.array(data, wide).reshape(-1, r, s).astype(dtype)
    return BSR(blocks, np.array(indices, np.int64), indptr, shape)


def counts(a: BSR, b: BSR) -> Counts:
    """Count what the loops do; how many blocks C has is found by computing it."""
    with np.errstate(all="ignore"):
        c, wide = vectorized(a, b), accumulator(np.result_type(a.data, b.data)).itemsize
    (heights, widths), (_, widths_of_b) = inside_blocks(a), inside_blocks(b)
    met, met_columns = np.diff(b.indptr)[a.indices], segment_sums(widths_of_b, b.indptr)[a.indices]
    met_rows, steps = int(widths @ met_columns), int((heights * widths) @ met_columns)
    pairs, places = int(met.sum()), a.block[0] * a.block[1] * b.block[1]
    used = int((heights * widths)[met > 0].sum())
    return Counts(
        flops=2 * steps,
        value_bytes=used * a.data.itemsize + c.data.nbytes + c.data.size * wide,
        index_bytes=a.indptr.nbytes * (len(a.indptr) > 1)
        + a.indices.nbytes
        + c.indices.nbytes
        + c.indptr.nbytes,
        gathered_bytes=2 * len(a.indices) * b.indptr.itemsize
        + pairs * b.indices.itemsize
        + met_rows * b.data.itemsize,
        scratch=(a.data.size + b.data.size + 2 * c.data.size) * wide,
        calls=2 * (len(a.indptr) - 1)
        + 4 * len(a.indices)
        + pairs * (1 + places)
        + 4 * steps
        + len(c.indices),
    )


def vectorized(a: BSR, b: BSR) -> BSR:
    """Sort the pairs of some block rows by block of C, and multiply those of each count at once."""
    shape, block = (a.shape[0], b.shape[1]), (a.block[0], b.block[1])
    columns, dtype = -(-shape[1] // block[1]), np.result_type(a.data, b.data)
    bound = bound_of_rows(rows_of(a), rows_of(b), columns)
    index = index_dtype(shape, bound.stored * block[0] * block[1])
    stored = Growing(*bound, dtype, index, block)
    counts = np.zeros(len(a.indptr), index)
    first = 0
    while first < len(counts) - 1:
        last = some_rows(a.indptr, first)
        rows = rows_of(a)._replace(indptr=a.indptr[first : last + 1])
        meeting, low = meet(rows, rows_of(b)), 0
        while low < last - first:
            high = int(np.searchsorted(meeting.bounds, meeting.bounds[low] + PAIRS, "right")) - 1
            high = max(high, low + 1)
            pairs = _pairs(meeting, b.indices, columns, low, high)
            counts[first + low + 1 : first + high + 1] = pairs.counts
            data, indices = stored.extend(len(pairs.columns), len(pairs.left))
            indices[:] = pairs.columns
            _multiply(pairs, meeting.data, b.data, data, wide_dtype(dtype))
            low = high
        first = last
    blocks, indices = stored.arrays()
    if shape[0] % block[0]:
        blocks[counts[:-1].sum() :, shape[0] % block[0] :] = 0
    if shape[1] % block[1]:
        blocks[indices == columns - 1, :, shape[1] % block[1] :] = 0
    return BSR._trusted(shape, data=blocks, indices=indices, indptr=np.cumsum(counts, out=counts))


class _Pairs(NamedTuple):
    """The blocks that some block rows of C need, by block of C.

    Attributes
    ----------
    left, right : ndarray of intp, shape (P,)
        Numbers of A's and B's blocks, pair by pair.
    starts : ndarray of intp, shape (Q + 1,)
        Where the pairs of each block of C start, and where the last end.
    columns : ndarray of int, shape (Q,)
        Its block column.
    counts : ndarray of int, shape (R,)
        How many blocks each block row of C has.
    """

    left: Array
    right: Array
    starts: Array
    columns: Array
    counts: Array


def _pairs(meeting: Meeting, indices: Array, columns: int, first: int, last: int) -> _Pairs:
    """Return the pairs of block rows ``first`` to ``last``."""
    entries = slice(int(meeting.rows[first]), int(meeting.rows[last]))
    bounds = meeting.bounds[first : last + 1]
    left, right = meeting.pairs(entries, int(bounds[0]), int(bounds[-1]))
    row = np.repeat(np.arange(last - first), np.diff(meeting.rows[first : last + 1]))
    keys, order = sorted_keys(
        row.take(left) * columns + indices.take(right), (last - first) * columns
    )
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    cells = keys.take(starts).astype(np.int64)
    counts = np.diff(np.searchsorted(starts, bounds - bounds[0]))
    ends = np.append(starts, len(keys))
    return _Pairs(
        left.take(order) + entries.start, right.take(order), ends, cells % columns, counts
    )


def _multiply(pairs: _Pairs, a: Array, b: Array, c: Array, wide: DType) -> None:
    """Write the blocks of C, those with the same number of pairs together."""
    times = np.diff(pairs.starts)
    for count in np.unique(times).tolist():
        cells = np.flatnonzero(times == count)
        few = max(1, GATHERED // (count * (a[:1].size + b[:1].size)))
        for p in range(0, len(cells), few):
            some = cells[p : p + few]
            slots = pairs.starts[some][:, None] + np.arange(count)
            c[some] = _sums(a, pairs.left[slots], b, pairs.right[slots], wide)


def _sums(a: Array, left: Array, b: Array, right: Array, wide: DType) -> Array:
    """Return ``sum_t A[left[:, t]] @ B[right[:, t]]``, as a product ``[r, t * c] @ [t * c, s]``."""
    (cells, count), (_, r, c), s = left.shape, a.shape, b.shape[2]
    step = max(1, GATHERED // (cells * c * (r + s)))
    total = np.zeros((cells, r, s), wide)
    for t in range(0, count, step):
        beside = a[left[:, t : t + step]].transpose(0, 2, 1, 3).astype(wide, copy=False)
        below = b[right[:, t : t + step]].astype(wide, copy=False)
        total += np.matmul(beside.reshape(cells, r, -1), below.reshape(cells, -1, s))
    return total


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the pairs of blocks to expect cost; the types tell how many blocks there are."""
    a, b = types
    (r, c), s = a.block or (1, 1), (b.block or (1, 1))[1]
    pairs = expected_products(_of_blocks(a), _of_blocks(b))
    gathered = pairs * (c * (r + s) + 10)
    calls = 40.0 * (1 + pairs // PAIRS + gathered // GATHERED)
    return Work(2.0 * pairs * r * c * s, bytes_moved(a, b), gathered, calls, efficiency=0.3)


SPGEMM_BSR = Kernel(
    SPGEMM,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE["bsr"]),
    counts=counts,
)
