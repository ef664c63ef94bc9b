"""Which n cells of each group of m an n:m matrix stores."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError
from minisparse.core.xp import namespace
from minisparse.formats.intake import first_true


def with_room(group: Array, nonzero: Array, n: int) -> Array:
    """Return which entries are stored: the nonzeros, and explicit zeros while there is room.

    ``group`` never decreases. Too many nonzeros are kept too; :func:`choose` reports them.
    """
    if nonzero.all():
        return nonzero
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    length = np.diff(starts, append=len(group))

    def rank(mask: Array) -> Array:
        """Count the true entries up to and including each one, within its group."""
        total: Array = np.cumsum(mask)
        ranks: Array = total - np.repeat(total[starts] - mask[starts], length)
        return ranks

    total = np.repeat(rank(nonzero)[starts + length - 1], length)
    kept: Array = nonzero | (rank(~nonzero) + total <= n)
    return kept


def choose(occupied: Array, block: tuple[int, int], first_row: int = 0) -> tuple[Array, Array]:
    """Fill each group up to n cells: the occupied ones and then the lowest free.

    Parameters
    ----------
    occupied : ndarray of bool, shape (M, G * m)
        Which cells must be stored.
    block : tuple of int
        n and m.
    first_row : int
        The number of the first of these rows in the matrix, for the message.

    Returns
    -------
    chosen : ndarray of bool, shape (M, G * m)
        Which cells are stored: n in each group.
    positions : ndarray of uint8, shape (M, G * n)
        The same within their groups.

    Raises
    ------
    FormatError
        If more than n cells of a group are occupied.

    Examples
    --------
    >>> choose(np.array([[False, False, True, False]]), (2, 4))[1]
    array([[0, 2]], dtype=uint8)
    """
    n, m = block
    rows, groups, xp = occupied.shape[0], occupied.shape[1] // m, namespace(occupied)
    grouped = occupied.reshape(rows, groups, m)
    held = xp.zeros((rows, groups), np.int16)
    for j in range(m):
        held += grouped[:, :, j]
    if (held > n).any():
        i, g = first_true(held > n)
        raise FormatError(
            f"nm: row {first_row + i}, group {g} (columns {g * m} to {g * m + m - 1}) holds "
            f"{held[i, g]} nonzeros: {n}:{m} allows {n}; prune the matrix "
            f"first, or choose a larger n"
        )
    room = n - held
    chosen = grouped.copy()
    for j in range(m):
        fill = ~grouped[:, :, j] & (room > 0)
        room -= fill
        chosen[:, :, j] |= fill
    positions = np.broadcast_to(xp.arange(m, dtype=np.uint8), chosen.shape)[chosen]
    return chosen.reshape(occupied.shape), positions.reshape(rows, groups * n)
