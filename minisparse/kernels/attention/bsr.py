"""Attention with a mask in BSR: r queries of a block row look at the same keys, c to a block.

``C[m] = sum_n w[m, n] * V[n]``, w the softmax over row m of ``scale * mask[m, n] * (Q[m] . K[n])``
for all n that a block covers, zeros inside of blocks included; what blocks hold beyond the matrix
is left out. The keys of a block row are gathered once for all its queries, and block rows with
the same count are one batch of matrix products.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Pattern
from minisparse.kernels.attention.blocks import (
    AT_ONCE,
    Vectors,
    attend,
    attention_work,
    new_result,
    queries_at_once,
    threads_for,
    vectors,
)
from minisparse.kernels.attention.on_device import ON_DEVICE
from minisparse.kernels.attention.threads import GPU
from minisparse.kernels.blas import one_thread
from minisparse.kernels.counts import Counts, inside_blocks
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.threads import share
from minisparse.ops import ATTENTION, Attrs
from minisparse.ops.attention import scale_of


def bytes_moved(mask: TensorType, q: TensorType, k: TensorType, v: TensorType) -> int:
    """Count mask, Q and C once, and c rows of K and V per block; no scores."""
    r, c = mask.block or (1, 1)
    m, blocks = mask.dims[0], mask.nnz // (r * c)
    index_bytes = (-(-m // r) + 1 + blocks) * mask.index_itemsize
    near = q.size * q.itemsize + m * v.dims[1] * v.itemsize
    far = blocks * c * (k.dims[1] * k.itemsize + v.dims[1] * v.itemsize)
    return index_bytes + mask.nnz * mask.itemsize + near + far


def loops(mask: BSR, q: Array, k: Array, v: Array, scale: float | None = None) -> Array:
    """Follow the formula row by row through the blocks, one multiply-add at a time."""
    dtype = np.result_type(mask.data, q, k, v)
    q, k, v = (x.astype(accumulator(dtype)) for x in (q, k, v))
    factor = q.dtype.type(scale_of(scale, q.shape[1]))
    height, width = mask.block
    c = np.zeros((mask.shape[0], v.shape[1]), q.dtype)
    for m in range(mask.shape[0]):
        i, u = divmod(m, height)
        w = np.full((mask.indptr[i + 1] - mask.indptr[i], width), -np.inf, q.dtype)
        largest = q.dtype.type(-np.inf)
        for p, x in np.ndindex(w.shape):
            block = mask.indptr[i] + p
            n = mask.indices[block] * width + x
            if n >= mask.shape[1]:
                continue  # a block at the edge reaches beyond the matrix
            w[p, x] = 0
            for d in range(q.shape[1]):
                w[p, x] += q[m, d] * k[n, d]
            w[p, x] = w[p, x] * mask.data[block, u, x] * factor
            largest = np.maximum(largest, w[p, x])
        total = q.dtype.type(0)
        for p, x in np.ndindex(w.shape):
            w[p, x] = np.exp(w[p, x] - largest)
            total += w[p, x]
        for p, x in np.ndindex(w.shape):
            n = mask.indices[mask.indptr[i] + p] * width + x
            if n >= mask.shape[1]:
                continue
            for e in range(v.shape[1]):
                c[m, e] += w[p, x] / total * v[n, e]
    return c.astype(dtype)


def counts(mask: BSR, q: Array, k: Array, v: Array, scale: float | None = None) -> Counts:
    """Count what the loops do: c rows of K and V for each block and row."""
    dtype, (m, d), e = np.result_type(mask.data, q, k, v), q.shape, v.shape[1]
    wide, (heights, widths) = accumulator(dtype).itemsize, inside_blocks(mask)
    stored, lines = int(heights @ widths), int(heights.sum())
    blocks = np.diff(mask.indptr)
    queries = int(heights[mask.indptr[:-1][blocks > 0]].sum())
    # The index of a block that is alone in its row is read once for all of its height.
    times = np.where(np.repeat(blocks, blocks) > 1, heights, 1)
    # A row's weights are made while those before it still stand: elsewhere if as many.
    many = np.repeat(blocks, mask.block[0])[:m] * mask.block[1]
    weights = int(np.unique(many).sum() + np.unique(many[1:][many[1:] == many[:-1]]).sum())
    return Counts(
        flops=stored * (2 * d + 2 + 3 * e) + 3 * lines * mask.block[1],
        value_bytes=stored * mask.data.itemsize
        + queries * d * q.itemsize
        + weights * wide
        + m * e * dtype.itemsize,
        index_bytes=mask.indptr.nbytes * (m > 0) + mask.indices.nbytes,
        gathered_bytes=int(times @ widths) * (d * k.itemsize + e * v.itemsize),
        scratch=(q.size + k.size + v.size + m * e + weights) * wide,
        calls=2 * m + 7 * lines * mask.block[1] + stored * (4 * d + 5 + 4 * e),
    )


class Bundle(NamedTuple):
    """Block rows with equally many blocks: their numbers ``[P]``, and their blocks ``[P, U]``."""

    block_rows: Array
    slots: Array


@dataclass(frozen=True, eq=False)
class BlockRows:
    """A mask, and which of its block rows are computed together."""

    mask: BSR
    bundles: tuple[Bundle, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of mask and numbers."""
        return self.mask.nbytes + sum(x.nbytes for bundle in self.bundles for x in bundle)


def prepare(mask: BSR, columns: int = 256) -> BlockRows:
    """Bring block rows with equally many blocks together."""
    counts = np.diff(mask.indptr)
    bundles = []
    for count in np.unique(counts[counts > 0]):
        block_rows = np.flatnonzero(counts == count)
        slots = mask.indptr[block_rows][:, None].astype(np.intp) + np.arange(count)
        bundles.append(Bundle(block_rows, slots))
    return BlockRows(mask, tuple(bundles))


def vectorized(
    a: BlockRows, q: Array, k: Array, v: Array, scale: float | None = None, out: Array | None = None
) -> Array:
    """Compute some block rows after another, or some rows of a long one."""
    mask, (r, c) = a.mask, a.mask.block
    given = vectors(mask.dtype, q, k, v, scale)
    if out is None:
        out = new_result(mask.dtype, q, k, v)
    else:
        out[...] = 0
    m, n = mask.shape

    def compute(some: tuple[Bundle, slice]) -> None:
        (block_rows, slots), rows = some
        queries = block_rows[:, None] * r + np.arange(rows.start, rows.stop)
        keys = mask.indices[slots].astype(np.intp)[:, :, None] * c + np.arange(c)
        keys = keys.reshape(len(keys), -1)
        outside = keys >= n if n % c else None
        near = mask.data[slots, rows].transpose(0, 2, 1, 3)
        factors = near.reshape(*queries.shape, keys.shape[1]).astype(given.dtype, copy=False)
        queries_there, keys_there = np.minimum(queries, m - 1), np.minimum(keys, n - 1)
        found = attend(given, queries_there, keys_there, factors, outside)
        inside = queries < m
        out[queries[inside]] = found[inside]

    with one_thread():  # blocks are small, and the same whoever computes them
        share(compute, _small_blocks(a, given), threads_for(given, mask.nnz // r))
    return out


def _small_blocks(a: BlockRows, given: Vectors) -> Iterator[tuple[Bundle, slice]]:
    """Yield some block rows and all their rows, or one and some of its rows."""
    r, c = a.mask.block
    for block_rows, slots in a.bundles:
        step = queries_at_once(given, r, slots.shape[1] * c)
        rows = max(1, min(r, AT_ONCE // max(slots.shape[1] * c, 1)))
        for p in range(0, len(slots), step):
            part = Bundle(block_rows[p : p + step], slots[p : p + step])
            for u in range(0, r, rows):
                yield part, slice(u, min(u + rows, r))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of block rows; the type tells how many blocks there are."""
    height = types[0].block[0] if types[0].block else 1
    return attention_work(types, types[0].nnz / height, height)


ATTENTION_BSR = Kernel(
    ATTENTION,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, prepare, work, takes_out=True, device=ON_DEVICE),
    gpu=GPU,
    counts=counts,
)
