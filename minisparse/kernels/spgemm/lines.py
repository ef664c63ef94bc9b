"""Sort the products of some rows by cell: lines of a few rows each, in words that fit.

A word is ``row within the line | column | number within the line``, so that sorting words sorts
cells and keeps the order of the products of each (:mod:`minisparse.formats.ordering`). NumPy sorts
32-bit words of a few thousand in less than half the time of 64-bit words of a hundred thousand.
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType

SHORTEST = 512
"""Products in a line of 32-bit words below which 64-bit words in one go take less time."""


class Lines(NamedTuple):
    """How the products of some rows are cut into lines.

    Attributes
    ----------
    bounds : ndarray of int64, shape (R + 1,)
        Where the products of each row start, from 0.
    rows_bits : int
        A line has ``2**rows_bits`` rows.
    column_bits, bits : int
        How many bits columns have, and the numbers of products within a line.
    dtype : numpy.dtype
        Of a word.
    """

    bounds: Array
    rows_bits: int
    column_bits: int
    bits: int
    dtype: DType

    @property
    def starts(self) -> Array:
        """Where each line starts, the last row's end not included."""
        return self.bounds[: -1 : 1 << self.rows_bits]

    def longest(self) -> int:
        """Return the number of products of the longest line."""
        starts = self.starts
        last = int(self.bounds[-1] - starts[-1])
        return max(last, int((starts[1:] - starts[:-1]).max(initial=0)))

    def starts_in(self, products: int) -> Array:
        """Where each line starts that is followed by a product."""
        starts = self.starts
        return starts[: int(starts.searchsorted(products))]

    def words_of_rows(self) -> Array:
        """Return for each row what its products' words have in common.

        It is the row, and less what the numbers of earlier lines are too high by.
        """
        row = np.arange(len(self.bounds) - 1)
        start = self.starts.take(row >> self.rows_bits)
        row &= (1 << self.rows_bits) - 1
        row <<= self.column_bits + self.bits
        row -= start
        return row.astype(self.dtype)  # modulo 2**32, which the numbers make good again

    def sort(self, word: Array, values: Array, out: Array) -> None:
        """Sort the words in place and write the products' values in their order to ``out``.

        Of each word the row and the column are left.
        """
        bits, mask = self.dtype.type(self.bits), self.dtype.type((1 << self.bits) - 1)
        stops = [*self.starts[1:].tolist(), len(word)]
        start = 0
        for stop in stops:
            line = word[start:stop]
            line.sort()
            values[start:stop].take(line & mask, out=out[start:stop], mode="clip")
            start = stop
        word >>= bits


def cut_lines(bounds: Array, columns: int) -> Lines:
    """Return the longest lines that fit into 32 bits, or one in 64 bits where these are short.

    Examples
    --------
    >>> cut_lines(np.array([0, 3000, 6000]), 8192)[1:]
    (1, 13, 13, dtype('uint32'))
    """
    rows, products = len(bounds) - 1, int(bounds[-1])
    column_bits = max(columns - 1, 0).bit_length()
    wide = Lines(
        bounds, (rows - 1).bit_length(), column_bits, products.bit_length(), np.dtype(np.uint64)
    )
    for rows_bits in range(wide.rows_bits, -1, -1):
        bits = min(32 - column_bits - rows_bits, wide.bits)
        longest = (products << rows_bits) // rows  # if all rows had equally many
        if bits < 0 or longest > 1 << bits:
            continue
        lines = Lines(bounds, rows_bits, column_bits, bits, np.dtype(np.uint32))
        starts = lines.starts
        if lines.longest() <= 1 << bits:
            return lines if len(starts) == 1 or products >= SHORTEST * len(starts) else wide
    return wide
