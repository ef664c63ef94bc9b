"""How many rows share a panel, chosen by estimated time.

A panel of R rows costs ``R * U`` multiply-adds, at a rate that grows with R, and gathers U rows of
B, where U is the number of columns that any of its rows uses. One panel of all rows gathers each
row of B once or never: that is the dense product of the rows and columns in use, and the best there
is where whole ones were pruned. For a few columns of B nothing beats reading the stored entries one
by one, and there are no panels at all.
"""

from typing import NamedTuple

from minisparse.kernels.spmm.panels import GATHER_EFFORT, NARROW, SCRATCH, SHARED, tile_width

HEIGHTS = {1: 44.0, 2: 92.0, 4: 133.0, 8: 147.0}
"""From R to 1e9 floating-point operations a second of ``[R, U] @ [U, TILE]``: one core works."""
FULL_RATE = 140.0
"""The same of one large product; BLAS shares it between all cores.

These and the times below were measured on a server with 2 cores and AVX-512. Their ratios decide,
and they are constants rather than facts about this machine so that a plan made here can be
understood there; dispatch prices what is chosen with the machine that it is told to plan for.
"""
LINE_TIME, TAKE_TIME = 4.0, 0.09
"""1e-9 seconds to gather a row of B: the first for any row, the second for each element."""
CHUNK_TIME = 2000.0
"""1e-9 seconds that the calls for a piece of a chunk and a tile cost beside their work."""
ENTRY_TIME = 2.0
"""1e-9 seconds to gather, multiply and add one entry by itself."""
EDGE_TIME = 0.25
"""1e-9 seconds for each element of B and two of C, to look at it or to put it in its place."""
MORE_PIECES = 3
"""Pieces of chunks beside those that fill the scratch, because widths differ."""
READ_TIME = 0.4
"""1e-9 seconds to read a packed value from memory, however few columns it is used for."""
DENSE_GAIN, PANEL_GAIN = 1.2, 1.1
"""How much faster than on one core a large product is, and panels where there is enough to share.

On two cores these are about 1.9 and 1.4 (threads of ours wait for the interpreter in turns), on one
they are 1. What is packed must not depend on how many there are, lest bits do: so in between, and
nearer to one, where a wrong choice costs more."""
SPARED = 0.95
"""Where so much of the rows or columns is in use, one panel holds the others too: to leave them out
would cost a copy of all of C or B."""


class Extent(NamedTuple):
    """What the choice of a height depends on.

    Attributes
    ----------
    rows, columns : int
        How many rows and columns hold any entry.
    total : int
        K.
    entries : int
        Stored entries.
    widths : dict
        From each height of :data:`HEIGHTS` to the mean number of columns that a panel uses.
    """

    rows: int
    columns: int
    total: int
    entries: int
    widths: dict[int, float]


class Choice(NamedTuple):
    """How tall panels are, and what one column of B costs then.

    Attributes
    ----------
    height : int
        R; the number of all rows in use where there is one panel, 0 where there are none.
    multiplied, gathered : float
        Multiply-adds, and elements fetched from B.
    chunks : float
        How many gathers and batched products a tile takes.
    gain : float
        How much faster it is taken to be for the cores that share it.
    time : float
        Estimated, in 1e-9 seconds on the machine of the rates above.
    """

    height: int
    multiplied: float
    gathered: float
    chunks: float
    gain: float
    time: float


def choose(counts: Extent, columns: int) -> Choice:
    """Return the height of the least time for so many columns of B."""
    choices = [_one_price(counts, columns)]
    if columns <= NARROW:
        one_by_one = counts.entries * ENTRY_TIME + CHUNK_TIME
        choices.append(Choice(0, counts.entries, counts.entries, 1, 1, one_by_one))
    else:
        choices += [
            panels_price(height, -(-counts.rows // height), width, counts.total, columns)
            for height, width in counts.widths.items()
            if height < counts.rows
        ]
    return min(choices, key=lambda choice: choice.time)


def _one_price(counts: Extent, columns: int) -> Choice:
    """Return what one panel of all rows and columns in use costs for one column of B."""
    multiplied = counts.rows * counts.columns
    gathered = counts.columns * (counts.columns < SPARED * counts.total)
    time = multiplied * max(2 / FULL_RATE, READ_TIME / columns) / DENSE_GAIN
    time += gathered * (LINE_TIME / columns + TAKE_TIME) + CHUNK_TIME / columns
    return Choice(counts.rows, multiplied, gathered, 1, DENSE_GAIN, time)


def panels_price(height: int, panels: int, width: float, total: int, columns: int) -> Choice:
    """Return what ``panels`` panels of ``[height, width]`` cost for one of so many columns of B.

    Parameters
    ----------
    height, panels, width : int, int, float
        Their shape and number.
    total : int
        K.
    columns : int
        N.
    """
    tile = min(tile_width(columns, total), columns)
    rate = HEIGHTS[max(r for r in HEIGHTS if r <= height)]
    multiplied, gathered = panels * height * width, panels * width
    chunks = MORE_PIECES + gathered * tile / SCRATCH
    shared = (multiplied + GATHER_EFFORT * gathered) * columns >= SHARED
    time = (
        multiplied * max(2 / rate, READ_TIME / tile)
        + gathered * (LINE_TIME / tile + TAKE_TIME)
        + chunks * CHUNK_TIME / tile
        + (total + 2 * height * panels) * EDGE_TIME
    )
    gain = PANEL_GAIN if shared else 1.0
    return Choice(height, multiplied, gathered, chunks, gain, time / gain)
