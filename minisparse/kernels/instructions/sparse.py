"""Compressed operands of ``mma.sp``: values, and where in its group each stood.

Of every m neighbors along K, n are kept with their positions. For 2:4 these are two bits each;
TF32 has 1:2, written as four bits of the same metadata (PTX ISA 8.7, section 9.7.14.6, Sparse
matrix storage). Which zeros fill a group that has fewer than n values is the compressor's choice;
here they are the lowest free positions, as in :class:`minisparse.formats.NM`.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, UsageError
from minisparse.formats import NM, Matrix
from minisparse.formats.groups import choose

_HALF_OF_PAIR = (0b0100, 0b1110)  # of TF32: which of two is kept, as positions 0 1 and 2 3 of four


def compress(a: Any, n: int, m: int) -> tuple[Array, Array]:
    """Return the kept values and the columns in which they stood.

    Parameters
    ----------
    a : ndarray or Matrix, shape (M, K)
        At most n nonzeros in each group of m. An NM matrix keeps its own positions.
    n, m : int
        How many of how many.

    Returns
    -------
    values : ndarray, shape (M, ceil(K / m) * n)
    columns : ndarray of int64, of the same shape
        Those beyond K hold zeros.

    Raises
    ------
    FormatError
        If a group holds more than n nonzeros; it is named.
    """
    if isinstance(a, NM):
        if a.block != (n, m):
            raise FormatError(f"A is {a.n}:{a.m}: this instruction takes {n}:{m}; convert it")
        return a.data, _columns(a.positions, n, m)
    dense = a.to_dense() if isinstance(a, Matrix) else np.asarray(a)
    padded = np.pad(dense, [(0, 0), (0, -dense.shape[1] % m)])
    chosen, positions = choose(padded != 0, (n, m))
    return padded[chosen].reshape(positions.shape), _columns(positions, n, m)


def _columns(positions: Array, n: int, m: int) -> Array:
    groups = np.arange(positions.shape[1]) // n * m
    return np.asarray(positions.astype(np.int64) + groups)


def metadata(positions: Array, n: int, m: int) -> Array:
    """Return the bits that say where values stood, four for each pair of slots or for each 1:2.

    Parameters
    ----------
    positions : ndarray of int, shape (M, S)
        Within the groups, increasing: what NM has.
    n, m : int
        2:4, or 1:2 as TF32 has it.

    Returns
    -------
    ndarray of uint8, shape (M, groups)
        One nibble a group: of 2:4 the first position in the low two bits.

    Examples
    --------
    >>> metadata(np.array([[1, 3, 0, 1]]), 2, 4), metadata(np.array([[0, 1]]), 1, 2)
    (array([[13,  4]], dtype=uint8), array([[ 4, 14]], dtype=uint8))
    """
    given = positions.astype(np.uint8)
    if (n, m) == (2, 4):
        return np.asarray(given[:, 0::2] | given[:, 1::2] << 2)
    if (n, m) == (1, 2):
        return np.asarray(np.array(_HALF_OF_PAIR, np.uint8)[given])
    raise UsageError(f"mma.sp has metadata for 2:4 and 1:2, not for {n}:{m}")
