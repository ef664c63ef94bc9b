"""What the loops of cell-by-cell sums and products do: how far two ordered lists are merged."""

import math
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import BSR, COO, CSC, CSR, Matrix
from minisparse.formats.compressed import expand
from minisparse.kernels.counts import Counts
from minisparse.kernels.merging import products, sums
from minisparse.kernels.wide import wide_dtype

Compressed = CSR | CSC | BSR
SLOT = np.dtype(np.intp).itemsize
"""Bytes of a slot in the orders that NumPy finds."""


class _Lists(NamedTuple):
    """Where the entries of two matrices stand: in which line, and at which place of it."""

    a_line: Array
    a_place: Array
    b_line: Array
    b_place: Array
    lines: int

    def cells(self) -> tuple[Array, Array]:
        """Return a number for each entry's cell, ascending as the merge goes."""
        span = 1 + max(self.a_place.max(initial=0), self.b_place.max(initial=0))
        return self.a_line * span + self.a_place, self.b_line * span + self.b_place

    def ends(self, ties: int) -> tuple[Array, Array]:
        """Return the last place of each line, doubled, -1 where there is none.

        B's are higher by ``ties``, so that 1 lets A's entries go first at the same place.
        """
        a_end, b_end = np.full((2, self.lines), -1)
        np.maximum.at(a_end, self.a_line, 2 * self.a_place)
        np.maximum.at(b_end, self.b_line, 2 * self.b_place + ties)
        return a_end, b_end


def _lists(a: Compressed | COO, b: Compressed | COO) -> _Lists:
    if isinstance(a, COO) and isinstance(b, COO):
        places = [x.row.astype(np.int64) * x.shape[1] + x.col for x in (a, b)]
        a_place, b_place = places
        return _Lists(np.zeros_like(a_place), a_place, np.zeros_like(b_place), b_place, lines=1)
    assert not isinstance(a, COO)
    assert not isinstance(b, COO)
    a_line, b_line = (expand(x.indptr).astype(np.int64) for x in (a, b))
    a_place, b_place = (x.indices.astype(np.int64) for x in (a, b))
    return _Lists(a_line, a_place, b_line, b_place, len(a.indptr) - 1)


def _taken(lists: _Lists) -> tuple[int, int, int]:
    """Return how many steps of a full merge find A's list not at its end, B's, and neither's."""
    a_end, b_end = lists.ends(ties=1)
    found = []
    for end in (a_end, b_end, np.minimum(a_end, b_end)):
        of_a = np.count_nonzero(2 * lists.a_place <= end[lists.a_line])
        of_b = np.count_nonzero(2 * lists.b_place + 1 <= end[lists.b_line])
        found.append(int(of_a + of_b))
    return found[0], found[1], found[2]


class _Meeting(NamedTuple):
    """Steps of a merge that stops at either list's end: by which entry is the smaller."""

    less: int
    greater: int
    equal: int
    a_seen: int
    b_seen: int


def _met(lists: _Lists) -> _Meeting:
    """Return what such a merge does; no cell may be stored twice in one matrix."""
    a_cell, b_cell = lists.cells()
    a_alone, b_alone = ~np.isin(a_cell, b_cell), ~np.isin(b_cell, a_cell)
    a_end, b_end = lists.ends(ties=0)
    end = np.minimum(a_end, b_end)
    a_near, b_near = 2 * lists.a_place <= end[lists.a_line], 2 * lists.b_place <= end[lists.b_line]
    less, greater = np.count_nonzero(a_near & a_alone), np.count_nonzero(b_near & b_alone)
    equal = len(a_cell) - np.count_nonzero(a_alone)
    # Where B's last entry stands alone, it was compared with one of A's beyond it; and vice versa.
    a_beyond = np.count_nonzero(b_alone & b_near & (2 * lists.b_place == end[lists.b_line]))
    b_beyond = np.count_nonzero(a_alone & a_near & (2 * lists.a_place == end[lists.a_line]))
    a_seen, b_seen = less + equal + a_beyond, greater + equal + b_beyond
    return _Meeting(int(less), int(greater), int(equal), int(a_seen), int(b_seen))


def _index_bytes(a: Compressed | COO, b: Compressed | COO, c: Matrix) -> int:
    """Return the bytes of all indices and pointers; those of the operands are read line by line."""
    no_lines = not isinstance(a, COO) and len(a.indptr) == 1
    read = 0 if no_lines else sum(x.storage.total - x.data.nbytes for x in (a, b))
    return read + c.storage.total - c.data.nbytes


def count_sums(a: Compressed, b: Compressed) -> Counts:
    """Count what the loops of a sum do in compressed storage: every entry is taken once."""
    with np.errstate(all="ignore"):
        c = sums(a, b)
    lists, wide = _lists(a, b), wide_dtype(c.dtype).itemsize
    area = math.prod(a.data.shape[1:])
    entries = len(a.indices) + len(b.indices)
    common = Counts(
        flops=entries * area - c.nnz,
        value_bytes=a.data.nbytes + b.data.nbytes + c.data.nbytes,
        index_bytes=_index_bytes(a, b, c),
        gathered_bytes=0,
        scratch=(a.data.size + b.data.size + c.data.size) * wide,
        calls=4 * lists.lines + 2 * entries + 2 * _taken(lists)[2],
    )
    if not isinstance(a, BSR):
        return common + Counts(0, 0, 0, 0, 0, calls=entries)
    made = _blocks_made(lists) * area * wide
    return common + Counts(0, made, 0, 0, made, calls=entries)  # sums, and what they end as


def _blocks_made(lists: _Lists) -> int:
    """Return how many blocks hold sums: one a cell, and one more while a third term is added."""
    _, times = np.unique(np.concatenate(lists.cells()), return_counts=True)
    of_sums = times[times > 1]
    thrice = np.flatnonzero(of_sums > 2)
    return max(len(of_sums), int(thrice[-1]) + 2) if len(thrice) else len(of_sums)


def count_sums_of_cells(a: COO, b: COO) -> Counts:
    """Count what the loops of a sum do in COO: entries are reached through their order."""
    with np.errstate(all="ignore"):
        c = sums(a, b)
    entries, (a_steps, b_steps, _) = a.nnz + b.nnz, _taken(_lists(a, b))
    return Counts(
        flops=entries - c.nnz,
        value_bytes=c.data.nbytes,
        index_bytes=_index_bytes(a, b, c) + entries * SLOT,
        gathered_bytes=a.storage.total + b.storage.total,
        scratch=(entries + c.nnz) * wide_dtype(c.dtype).itemsize + entries * SLOT,
        calls=4 + 2 * entries + 4 * (a_steps + b_steps),
    )


def count_products(a: Compressed, b: Compressed) -> Counts:
    """Count what the loops of a product do in compressed storage: a line ends with either list."""
    with np.errstate(all="ignore"):
        c = products(a, b)
    lists = _lists(a, b)
    met, in_blocks = _met(lists), isinstance(a, BSR)
    made = c.data.nbytes * in_blocks  # each product of blocks is an array of its own
    return Counts(
        flops=c.data.size,
        value_bytes=c.data.size * (a.data.itemsize + b.data.itemsize) + made + c.data.nbytes,
        index_bytes=_index_bytes(a, b, c),
        gathered_bytes=0,
        scratch=(a.data.size + b.data.size) * c.data.itemsize + made,
        calls=4 * lists.lines
        + len(a.indices)
        + len(b.indices)
        + 2 * met.less
        + 4 * met.greater
        + 7 * met.equal,
    )


def count_products_of_cells(a: COO, b: COO) -> Counts:
    """Count what the loops of a product do in COO: entries are reached through their order."""
    with np.errstate(all="ignore"):
        c = products(a, b)
    met, slots = _met(_lists(a, b)), (a.nnz + b.nnz) * SLOT
    return Counts(
        flops=c.nnz,
        value_bytes=c.data.nbytes,
        index_bytes=_index_bytes(a, b, c) + slots,
        gathered_bytes=met.a_seen * 2 * a.row.itemsize
        + met.b_seen * 2 * b.row.itemsize
        + met.equal * (a.data.itemsize + b.data.itemsize),
        scratch=(a.nnz + b.nnz) * c.data.itemsize + slots,
        calls=4 + 8 * (met.less + met.greater + 2 * met.equal),
    )
