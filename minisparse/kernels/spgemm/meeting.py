"""Which entries meet: each entry of A in column k with every entry of B in row k.

The pairs are numbered in the order in which Gustavson's algorithm makes their products: row by row
of A, in stored order, and for each of its entries along B's row k. So the products of a row of C
have consecutive numbers, and whole rows are worked on by ranges of numbers.
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats.compressed import Compressed
from minisparse.kernels.scratch import scratch

ENTRIES = 1 << 19
"""Entries of A, and rows of A, that are looked at at a time: some arrays of 4 MB."""


class Meeting(NamedTuple):
    """Some rows of A, and whom their entries meet.

    Attributes
    ----------
    data : ndarray, shape (P,)
        A's values.
    starts : ndarray of int, shape (P,)
        Where the row of B that entry p meets starts.
    ends : ndarray of int64, shape (P,)
        The number after entry p's last product.
    rows : ndarray of int, shape (R + 1,)
        Where each row of A starts among these entries, and where the last ends.
    bounds : ndarray of int64, shape (R + 1,)
        The same of their products.
    """

    data: Array
    starts: Array
    ends: Array
    rows: Array
    bounds: Array

    def part(self, low: int, high: int) -> tuple[slice, int]:
        """Return the entries of A whose products lie from ``low`` to ``high``, and where they end.

        That is ``high``, unless there are fewer.
        """
        high = min(high, int(self.bounds[-1]))
        first = int(np.searchsorted(self.ends, low, side="right"))
        last = int(np.searchsorted(self.ends, high, side="left")) + 1
        return slice(first, last), high

    def pairs(self, entries: slice, low: int, high: int) -> tuple[Array, Array]:
        """Return for each product from ``low`` to ``high`` whose it is, and of whom.

        Parameters
        ----------
        entries : slice
            Those of A that have these products.
        low, high : int
            Numbers of products.

        Returns
        -------
        left, right : ndarray of intp, shape (high - low,)
            The entry of A, counted from ``entries.start``, and the entry of B.
        """
        cuts = np.empty(entries.stop - entries.start + 1, np.int64)
        cuts[0] = self.ends[entries.start - 1] if entries.start else 0
        cuts[1:] = self.ends[entries]
        # Product number p of an entry is that of the slot starts + p - (the entry's first number).
        shift = self.starts[entries] - cuts[:-1]
        cuts[0], cuts[-1] = low, high
        left = np.arange(len(shift)).repeat(cuts[1:] - cuts[:-1])
        right = scratch("spgemm right", left.shape, shift.dtype)
        shift.take(left, out=right, mode="clip")
        right += np.arange(low, high)
        return left, right


def meet(a: Compressed, b: Compressed) -> Meeting:
    """Return whom the entries of some rows of A meet: ``a.indptr`` may start anywhere."""
    entries = slice(int(a.indptr[0]), int(a.indptr[-1]))
    indices = a.indices[entries]
    starts = b.indptr.take(indices)
    ends = b.indptr[1:].take(indices)
    ends -= starts
    ends = np.cumsum(ends, dtype=np.int64)
    rows = a.indptr - a.indptr[0]
    if not len(ends):
        return Meeting(a.data[entries], starts, ends, rows, np.zeros(len(rows), np.int64))
    bounds = ends.take(rows - 1, mode="clip")
    bounds[rows == 0] = 0
    return Meeting(a.data[entries], starts, ends, rows, bounds)


def some_rows(indptr: Array, first: int) -> int:
    """Return up to which row one can look at, from ``first`` on; at least one row further."""
    near = indptr[first : first + ENTRIES + 1]
    last = int(np.searchsorted(near - near[0], ENTRIES, side="right")) - 1
    return first + max(last, 1)
