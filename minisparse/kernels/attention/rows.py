"""Attention over entries that lie anywhere, row by row: what CSR and COO have in common.

Where a block of rows wants much of a rectangle of scores, BLAS computes all of it, and what is not
wanted gets no weight; see :mod:`minisparse.kernels.sddmm.sampling`. Other rows are brought together
with rows of about as many entries, so that one call of NumPy serves many.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.kernels.attention.blocks import (
    Vectors,
    attend,
    attention_work,
    new_result,
    queries_at_once,
    threads_for,
    vectors,
)
from minisparse.kernels.blas import one_thread
from minisparse.kernels.kernel import Work
from minisparse.kernels.scratch import scratch
from minisparse.kernels.sddmm.sampling import ROWS, Rectangle, Sampling, by_rectangles, pack
from minisparse.kernels.softmax.runs import softmax_runs_in_place
from minisparse.kernels.threads import share
from minisparse.kernels.wide import all_finite

FILLED = 0.8
"""Share of a bundle that must be entries; the rest fills up shorter rows."""


class Bundle(NamedTuple):
    """Rows with about equally many entries.

    Attributes
    ----------
    rows : ndarray of intp, shape (P,)
        Which rows.
    slots : ndarray of intp, shape (P, U)
        Their entries; a shorter row repeats its last one.
    outside : ndarray of bool, shape (P, U), or None
        Which of them are such repetitions; None where there is none.
    """

    rows: Array
    slots: Array
    outside: Array | None


@dataclass(frozen=True, eq=False)
class Rows:
    """A mask packed for attention.

    Attributes
    ----------
    entries : Sampling
        The stored positions by ascending row.
    indptr : ndarray of intp, shape (M + 1,)
        Where each row's entries start.
    rectangles : tuple of Rectangle
        Blocks of rows that are computed as a whole.
    bundles : tuple of Bundle
        The other rows that have entries.
    """

    entries: Sampling
    indptr: Array
    rectangles: tuple[Rectangle, ...]
    bundles: tuple[Bundle, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        arrays = [array for bundle in self.bundles for array in bundle if array is not None]
        return self.entries.nbytes + self.indptr.nbytes + sum(array.nbytes for array in arrays)


def pack_rows(mask: Matrix, row: Array, col: Array) -> Rows:
    """Return a mask with stored positions ``(row, col)``, in any order, packed."""
    rows = mask.shape[0]
    entries = pack(mask, row, col, rows)
    indptr = np.searchsorted(entries.row, np.arange(rows + 1))
    counts = np.diff(indptr)
    rectangles = tuple(tile for tile in entries.tiles if isinstance(tile, Rectangle))
    for tile in rectangles:
        counts[tile.rows] = 0
    return Rows(entries, indptr, rectangles, tuple(_bundles(indptr, counts)))


def _bundles(indptr: Array, counts: Array) -> Iterator[Bundle]:
    """Yield all rows whose count is not zero, longest first."""
    order = np.argsort(-counts, kind="stable")
    order = order[: np.count_nonzero(counts)]
    longest_first, done = counts[order], 0
    while done < len(order):
        width = int(longest_first[done])
        few = np.searchsorted(-longest_first, -FILLED * width, "right")
        rows = order[done : max(int(few), done + 1)]
        place = np.arange(width)
        last = counts[rows][:, None] - 1
        slots = indptr[rows][:, None] + np.minimum(place, last)
        outside = place > last
        yield Bundle(rows, slots, outside if outside.any() else None)
        done += len(rows)


def run(
    a: Rows, q: Array, k: Array, v: Array, scale: float | None, out: Array | None = None
) -> Array:
    """Return ``softmax(scale * mask * (q @ k.T)) @ v``, one block of rows after another."""
    mask = a.entries.matrix
    given = vectors(mask.dtype, q, k, v, scale)
    if out is None:
        out = new_result(mask.dtype, q, k, v)
    else:
        out[...] = 0
    data = mask.data if a.entries.order is None else mask.data[a.entries.order]

    def compute(some: Rectangle | Bundle) -> None:
        if isinstance(some, Rectangle):
            out[some.rows] = _of_rectangle(a, some, given, data[some.slots])
            return
        rows, slots, outside = some
        factors = data[slots][:, None, :].astype(given.dtype, copy=False)
        found = attend(given, rows[:, None], a.entries.col[slots], factors, outside)
        out[rows] = found[:, 0]

    with one_thread():  # blocks are small, and the same whoever computes them
        share(compute, _small_blocks(a, given), threads_for(given, mask.nnz))
    return out


def _small_blocks(a: Rows, given: Vectors) -> Iterator[Rectangle | Bundle]:
    """Yield rectangles as they are, and the rows of bundles a few at a time."""
    yield from a.rectangles
    for rows, slots, outside in a.bundles:
        step = queries_at_once(given, 1, slots.shape[1])
        for p in range(0, len(rows), step):
            part = slice(p, p + step)
            yield Bundle(rows[part], slots[part], None if outside is None else outside[part])


def rows_work(types: tuple[TensorType, ...]) -> Work:
    """Return the work for entries that lie anywhere: by rectangles where they are many."""
    mask, q, _, v = types
    if not by_rectangles(mask):
        return attention_work(types, mask.nnz, height=1)
    (m, n), width = mask.dims, q.dims[1] + v.dims[1]
    cells, blocks = float(m) * n, -(-m // ROWS)
    moved = (8.0 * mask.nnz + 3 * cells + blocks * n * width) * q.itemsize
    return Work(2 * cells * width, moved, 2.0 * mask.nnz, 25.0 * blocks)


def _of_rectangle(a: Rows, tile: Rectangle, given: Vectors, data: Array) -> Array:
    """Return the result for a block of rows, by two products with all columns that it spans."""
    slots, rows, columns = tile
    q, k, v = (
        x.astype(given.dtype, copy=False)
        for x in (given.q[rows], given.k[columns], given.v[columns])
    )
    col = a.entries.col[slots] - columns.start
    place = (a.entries.row[slots] - rows.start) * len(k) + col
    scores = scratch("rectangle", (len(q), len(k)), given.dtype)
    np.matmul(q, k.T, out=scores)
    weights = scores.reshape(-1).take(place)
    weights *= data.astype(given.dtype, copy=False)
    weights *= given.scale
    starts = a.indptr[rows.start : rows.stop + 1] - slots.start
    softmax_runs_in_place(weights, starts)
    if not given.v_is_finite and not all_finite(v):  # then a weight of 0 would make NaN
        found = [weights[p:end] @ v[col[p:end]] for p, end in itertools.pairwise(starts)]
        return np.array(found)
    scores[...] = 0
    if a.entries.matrix.has_canonical_format:
        scores.reshape(-1)[place] = weights
    else:
        np.add.at(scores.reshape(-1), place, weights)
    result: Array = np.matmul(scores, v)
    return result
