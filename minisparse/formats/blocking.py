"""Entries gathered into blocks: the work of every conversion to BSR.

A block of r x c cells stands for the entry in its place of a grid, ceil(M / r) x ceil(K / c).
There are two ways to number the blocks that hold an entry. Where the grid is not much larger than
the entries are many, its places are marked in a table, which is a counting sort: linear, without a
comparison. Else the entries are sorted by their place in the grid.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.index import index_dtype
from minisparse.core.triplets import Triplets
from minisparse.core.xp import namespace
from minisparse.formats.compressed import Compressed, pointers, put_at, starts_of_runs
from minisparse.formats.ordering import CHUNK, cell_words, lexical_order, starts_of_lines

_TABLE = 2**16
"""Places of the grid that are marked at a time, so that the table stays in a cache."""
_CELLS = 2**14
"""Cells of a dense array that are searched at a time."""
_ROOMY = 16
"""Places for each entry up to which it takes less time to mark them than to sort the entries."""


def block_grid(shape: tuple[int, int], block: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers of block rows and block columns, the padded ones included.

    Examples
    --------
    >>> block_grid((7, 8), (2, 4))
    (4, 2)
    """
    return -(-shape[0] // block[0]), -(-shape[1] // block[1])


def is_roomy(count: int, shape: tuple[int, int], block: tuple[int, int]) -> bool:
    """Tell whether so many entries are few for the grid: then they are better sorted."""
    rows, columns = block_grid(shape, block)
    return rows * columns > _ROOMY * count


def blocks_by_sorting(
    triplets: Triplets, block: tuple[int, int], *, distinct: bool = False
) -> Compressed:
    """Return BSR's arrays of entries in any order.

    Parameters
    ----------
    triplets : Triplets
        Valid coordinates.
    block : tuple of int
        ``(r, c)``.
    distinct : bool
        Whether it is known that no cell is stored twice; else duplicates are summed in stored
        order.

    Examples
    --------
    >>> t = Triplets(np.array([1, 0]), np.array([2, 1]), np.array([5, 6]), (2, 3))
    >>> blocks_by_sorting(t, (2, 2)).data.tolist()
    [[[0, 6], [0, 0]], [[0, 0], [5, 0]]]
    """
    row, col, data, shape = triplets
    (r, c), grid, xp = block, block_grid(shape, block), namespace(data)
    block_row, block_col = row // r, col // c
    corner = row - block_row * r
    corner *= c
    corner += col
    corner -= block_col * c
    order, first = _grouped(block_row, block_col, grid)
    cell = np.cumsum(first, dtype=np.intp)
    cell -= 1
    cell *= r * c
    cell += corner.take(order)
    held = order[first]
    blocks = xp.zeros((len(held), r, c), data.dtype)
    put_at(blocks.reshape(-1), cell, data.take(order), distinct=distinct)
    indptr = starts_of_lines(block_row.take(held), grid[0])
    return Compressed(blocks, block_col.take(held), indptr)


def _grouped(block_row: Array, block_col: Array, grid: tuple[int, int]) -> tuple[Array, Array]:
    """Return the order that brings blocks together, and where in it the first of each one is."""
    words, xp = cell_words(block_row, block_col, grid), namespace(block_row)
    if words is None:
        order = lexical_order(block_row, block_col, grid)
        order = xp.arange(len(block_row)) if order is None else order
        return order, starts_of_runs(block_row[order], block_col[order])
    keys, first = words.keys(), xp.ones(len(block_row), bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return words.slots(), first


def blocks_by_marking(
    rows: Compressed, shape: tuple[int, int], block: tuple[int, int], *, distinct: bool
) -> Compressed:
    """Return BSR's arrays of CSR's, by a table of a few block rows at a time.

    Parameters
    ----------
    rows : Compressed
        CSR's arrays, in any order within a row.
    shape, block : tuple of int
        ``(M, K)`` and ``(r, c)``.
    distinct : bool
        As for :func:`blocks_by_sorting`.

    Examples
    --------
    >>> csr = Compressed(np.array([6, 5]), np.array([1, 2]), np.array([0, 1, 2]))
    >>> blocks_by_marking(csr, (2, 3), (2, 2), distinct=True).data.tolist()
    [[[0, 6], [0, 0]], [[0, 0], [5, 0]]]
    """
    (r, c), (height, columns) = block, block_grid(shape, block)
    step = min(CHUNK * height // max(len(rows.data), 1), _TABLE // max(columns, 1), height)
    step = max(1, step)
    width = index_dtype((step * r * columns * c, shape[1] + r * c), 0)
    marking = _Marking(rows, block, columns, np.empty(len(rows.data), width))
    chunks = [slice(i * r, min((i + step) * r, shape[0])) for i in range(0, height, step)]
    held = [marking.mark(lines) for lines in chunks]
    indices = np.concatenate([np.empty(0, width), *(found.indices for found in held)])
    counts = np.concatenate([np.empty(0, np.intp), *(found.counts for found in held)])
    blocks, begin = np.zeros((len(indices), r, c), rows.data.dtype), 0
    for lines, found in zip(chunks, held, strict=True):
        here = blocks[begin : begin + len(found.indices)].reshape(-1)
        put_at(
            here,
            marking.cells(lines, found),
            rows.data[marking.part(lines)],
            distinct=distinct,
        )
        begin += len(found.indices)
    return Compressed(blocks, indices, pointers(counts))


class _Found(NamedTuple):
    """The places of a table that hold an entry: their numbers, their columns, how many in a row."""

    place: Array
    indices: Array
    counts: Array


@dataclass(frozen=True)
class _Marking:
    """The table of a few block rows, and where the entries stand in it.

    Attributes
    ----------
    rows : Compressed
        CSR's arrays.
    block : tuple of int
        ``(r, c)``.
    columns : int
        Number of block columns.
    place : ndarray of int, shape (nnz,)
        Written by :meth:`mark`: where each entry's block stands in the table of its block rows.
    """

    rows: Compressed
    block: tuple[int, int]
    columns: int
    place: Array

    def part(self, lines: slice) -> slice:
        """Return the entries of these rows."""
        return slice(int(self.rows.indptr[lines.start]), int(self.rows.indptr[lines.stop]))

    def mark(self, lines: slice) -> _Found:
        """Return the places that hold an entry of these rows."""
        part, count = self.part(lines), self._counts(lines)
        height = -(-len(count) // self.block[0])
        row = np.arange(len(count)) // self.block[0] * self.columns
        place = self.place[part]
        np.floor_divide(self.rows.indices[part], self.block[1], out=place)
        place += np.repeat(row.astype(place.dtype), count)
        marked = np.zeros(height * self.columns, bool)
        marked[place] = True
        found = np.flatnonzero(marked).astype(place.dtype)
        starts = np.arange(height, dtype=place.dtype) * self.columns
        held = np.diff(np.searchsorted(found, starts), append=len(found))
        return _Found(found, found - np.repeat(starts, held), held)

    def cells(self, lines: slice, found: _Found) -> Array:
        """Return which cell of all blocks in these rows each entry is."""
        (r, c), part, count = self.block, self.part(lines), self._counts(lines)
        # Where column 0 would stand, if the block in that place reached so far.
        origin = np.empty(len(found.counts) * self.columns, self.place.dtype)
        block = np.arange(0, len(found.place) * r * c, r * c, dtype=origin.dtype)
        origin[found.place] = block - found.indices * c
        cell = origin.take(self.place[part])
        cell += self.rows.indices[part]
        cell += np.repeat((np.arange(len(count)) % r * c).astype(cell.dtype), count)
        cells: Array = cell.astype(np.intp, copy=False)
        return cells

    def _counts(self, lines: slice) -> Array:
        return np.diff(self.rows.indptr[lines.start : lines.stop + 1])


def blocks_of_dense(x: Array, block: tuple[int, int]) -> Compressed:
    """Return BSR's arrays of the blocks of ``x [M, K]`` that are not zero throughout.

    Examples
    --------
    >>> blocks_of_dense(np.array([[0, 6, 0], [0, 0, 5]]), (1, 2)).data.tolist()
    [[[0, 6]], [[5, 0]]]
    """
    (r, c), (height, columns), xp = block, block_grid(x.shape, block), namespace(x)
    data, indices = [xp.empty((0, r, c), x.dtype)], [xp.empty(0, np.intp)]
    counts = [xp.zeros(1, np.intp)]
    # A few block rows at a time: what is found about them stays in a cache, and small.
    step = max(1, _CELLS // max(r * x.shape[1], 1) if xp is np else height)
    for i in range(0, height, step):
        rows = min(step, height - i)
        part = x[i * r : (i + rows) * r]
        pad = rows * r - len(part), columns * c - x.shape[1]
        if any(pad):
            part = np.pad(part, ((0, pad[0]), (0, pad[1])))
        blocks = part.reshape(rows, r, columns, c)
        there = (blocks != 0).any(axis=(1, 3))
        row, col = there.nonzero()
        data.append(blocks[row, :, col])
        indices.append(col)
        counts.append(np.count_nonzero(there, axis=1))
    indptr = np.cumsum(np.concatenate(counts))
    return Compressed(np.concatenate(data), np.concatenate(indices), indptr)
