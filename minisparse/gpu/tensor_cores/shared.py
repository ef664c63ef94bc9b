"""Shared memory as tensor cores are fed from it: pieces of 16 bytes, and where each of them lies.

Shared memory has 32 banks of 4 bytes: a warp's access takes one turn if no two of its addresses are
in the same bank at different rows. ``ldmatrix`` reads eight pieces of 16 bytes a turn, one for each
row of an 8 x 8 matrix. In a tile whose rows are 128 bytes long, or a multiple, the eight pieces
below each other lie in the same four banks, and would take eight turns. So a piece of row k is put
where the *exclusive or* of its number with the last three bits of k says: a permutation within the
row that costs no memory, and puts the eight into eight different places.
"""

from collections import Counter
from typing import TypeVar

import numpy as np

from minisparse.core.dtypes import Array

PIECE = 8
"""Elements of 16 bits in a piece of 16 bytes."""
_PLACES = 8
"""Pieces side by side that all 32 banks hold."""

Index = TypeVar("Index", int, Array)


def swizzled(k: Index, piece: Index, pieces: int) -> Index:
    """Return where piece number ``piece`` of row ``k`` lies in a tile.

    Parameters
    ----------
    k : int or ndarray of int
        Row of the tile.
    piece : int or ndarray of int
        Number in the row: columns ``8 * piece`` and up.
    pieces : int
        Pieces in a row, a multiple of 8.

    Examples
    --------
    >>> [swizzled(k, 0, 8) % 8 for k in range(8)]
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    place: Index = k * pieces + (piece ^ (k & (_PLACES - 1)))
    return place


def bank_conflicts(places: Array) -> int:
    """Return how many turns more than needed an access to pieces of 16 bytes takes.

    Parameters
    ----------
    places : ndarray of int, shape (32,)
        The piece that each lane addresses. Eight lanes at a time share a turn.

    Examples
    --------
    >>> lanes = np.arange(32)
    >>> bank_conflicts(lanes), bank_conflicts(8 * lanes)
    (0, 28)
    """
    turns = [Counter((np.unique(part) % _PLACES).tolist()) for part in places.reshape(-1, _PLACES)]
    return sum(max(turn.values()) - 1 for turn in turns)
