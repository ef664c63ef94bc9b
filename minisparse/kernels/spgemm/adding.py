"""Make the products of some rows of C, and add up those of the same cell, in one of two ways.

Both add the products of a cell one by one in the order of the loops, so that the bits do not depend
on the choice:

- *Table*: a dense accumulator for these rows, and a table of which cells were met. A product costs
  little, but every cell of the rows costs something, met or not.
- *Sort*: the products' cells are sorted, each packed into a word with the product's number
  (``lines.py``), and neighbors of the same cell added up. Cells that are not met cost nothing.

Where there are 0.3 products for each cell between the leftmost and the rightmost that is met, both
took the same time (2 cores with AVX-512).
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.formats.compressed import Compressed
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spgemm.lines import cut_lines
from minisparse.kernels.spgemm.meeting import Meeting

FULL = 0.3
"""Products for each cell from which the table takes less time than sorting."""
FEW = 0.01
"""Products that share their cell with an earlier one, up to which long runs are copied."""
_BOOL, _PLACE = np.dtype(np.bool_), np.dtype(np.intp)


class Made(NamedTuple):
    """Products: whose entry of A each has, its column, and its value. In scratch memory."""

    left: Array
    columns: Array
    values: Array


class Part(NamedTuple):
    """Entries of some rows of C, row by row, columns ascending."""

    values: Array
    columns: Array


class Product(NamedTuple):
    """What all rows of a product have in common.

    Attributes
    ----------
    b : Compressed
        B's rows.
    columns : int
        N.
    wide, dtype : numpy.dtype
        In what is summed, and the result's.
    """

    b: Compressed
    columns: int
    wide: DType
    dtype: DType

    def make(self, meeting: Meeting, entries: slice, low: int, high: int) -> Made:
        """Make the products from number ``low`` to ``high``, which are those of these entries."""
        left, right = meeting.pairs(entries, low, high)
        values = scratch("spgemm values", left.shape, self.wide)
        if self.b.data.dtype == self.wide:
            self.b.data.take(right, out=values, mode="clip")
        else:
            values[:] = self.b.data.take(right)
        factors = meeting.data[entries].astype(self.wide, copy=False)
        beside = scratch("spgemm factors", left.shape, self.wide)
        values *= factors.take(left, out=beside, mode="clip")
        columns = scratch("spgemm columns", left.shape, self.b.indices.dtype)
        self.b.indices.take(right, out=columns, mode="clip")
        return Made(left, columns, values)

    def add_up(self, meeting: Meeting, first: int, last: int, counts: Array) -> Part:
        """Return the sums for some rows that have products, and write how many in each row."""
        rows, bounds = meeting.rows[first : last + 1], meeting.bounds[first : last + 1]
        entries = slice(int(rows[0]), int(rows[-1]))
        made = self.make(meeting, entries, int(bounds[0]), int(bounds[-1]))
        lowest = int(made.columns.min())
        width = int(made.columns.max()) + 1 - lowest
        if lowest:  # as in a band: neither a table nor a word needs room for what is left of it
            np.subtract(made.columns, lowest, out=made.columns)
        lengths, counts = rows[1:] - rows[:-1], counts[first:last]
        if len(made.columns) >= FULL * (last - first) * width:
            values, columns = self._by_table(made, lengths, width, counts)
        else:
            values, columns = self._by_sorting(made, lengths, width, bounds - bounds[0], counts)
        columns += columns.dtype.type(lowest)
        return Part(values.astype(self.dtype, copy=False), columns)

    def _by_table(self, made: Made, lengths: Array, width: int, counts: Array) -> Part:
        """Return the sums by a table of the rows' cells."""
        start = np.arange(0, len(lengths) * width, width)
        cell = scratch("spgemm cells", made.left.shape, _PLACE)
        start.repeat(lengths).take(made.left, out=cell, mode="clip")
        cell += made.columns
        size = (len(lengths) * width,)
        total, met = scratch("spgemm total", size, self.wide), scratch("spgemm met", size, _BOOL)
        total.fill(0)
        met.fill(False)
        np.add.at(total, cell, made.values)
        met[cell] = True
        cells = np.flatnonzero(met)
        ends = np.append(cells.searchsorted(start[1:]), len(cells))
        counts[:] = np.diff(ends, prepend=0)
        total = total.take(cells)
        cells -= start.repeat(counts)
        return Part(total, cells)

    def _by_sorting(
        self, made: Made, lengths: Array, width: int, bounds: Array, counts: Array
    ) -> Part:
        """Return the sums by sorting the products' cells; ``bounds`` is where each row starts."""
        lines = cut_lines(bounds, width)
        word = scratch("spgemm words", made.left.shape, lines.dtype)
        lines.words_of_rows().repeat(lengths).take(made.left, out=word, mode="clip")
        word += np.arange(len(word), dtype=word.dtype)
        columns = made.columns.astype(word.dtype)
        columns <<= word.dtype.type(lines.bits)
        word += columns
        values = scratch("spgemm sorted", made.left.shape, self.wide)
        lines.sort(word, made.values, values)
        is_first = np.empty(len(word), bool)
        np.not_equal(word[1:], word[:-1], out=is_first[1:])
        is_first[lines.starts_in(len(word))] = True
        again = np.flatnonzero(~is_first)
        before = again.searchsorted(bounds)
        counts[:] = bounds[1:] - bounds[:-1] - (before[1:] - before[:-1])
        word &= word.dtype.type((1 << lines.column_bits) - 1)
        if len(again) <= len(word) * FEW:
            total, cells = values[is_first], word[is_first]
        else:
            head = np.flatnonzero(is_first)
            total, cells = values.take(head), word.take(head)
        if len(again):
            more = values.take(again)
            again -= np.arange(1, len(again) + 1)
            np.add.at(total, again, more)
        return Part(total, cells)
