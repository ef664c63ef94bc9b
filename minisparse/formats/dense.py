"""What is not zero in a dense array, as entries."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.index import index_dtype
from minisparse.core.xp import namespace
from minisparse.formats.compressed import Compressed, pointers
from minisparse.formats.ordering import CHUNK

_FEWEST, _MOST = 2**14, 2**16
"""Cells that are searched at a time."""
_FEWEST_ENTRIES = 2**12
"""Entries below which it costs more to call on them than to work on them."""


def rows_of_dense(x: Array) -> Compressed:
    """Return CSR's arrays of what is not zero in ``x [M, K]``. NaN is not zero; -0.0 is.

    A few rows are searched at a time, so that what is found about them stays in a cache; and no
    more than there is found already, so that it stays small beside the result. On a card all are
    searched at once.

    Examples
    --------
    >>> rows_of_dense(np.array([[0, 6, 0], [0, 0, 5]]))
    Compressed(data=array([6, 5]), indices=array([1, 2], dtype=int32), indptr=array([0, 1, 2]))
    """
    m, k = x.shape
    width = index_dtype((m, k), 0)
    if namespace(x) is not np:
        row, col = np.nonzero(x)
        indptr = pointers(np.count_nonzero(x, axis=1))
        return Compressed(x[row, col], col.astype(width, copy=False), indptr)
    data, indices, counts = [x[:0, :0].reshape(-1)], [np.empty(0, width)], [np.empty(0, np.intp)]
    i, found = 0, 0
    while i < m:
        first, cells, held = i, list[Array](), 0
        batch = min(max(found, _FEWEST_ENTRIES), CHUNK)
        while i < m and held < batch:
            rows = max(1, min(max(4 * (found + held), _FEWEST), _MOST) // max(k, 1))
            part = np.ascontiguousarray(x[i : i + rows])
            cell = np.flatnonzero(part != 0)
            data.append(part.reshape(-1).take(cell))
            cell += (i - first) * k
            cells.append(cell)
            i, held = i + rows, held + len(cell)
        i, found = min(i, m), found + held
        cell = np.concatenate(cells)
        del cells
        starts = np.arange(i - first) * k
        counts.append(np.diff(np.searchsorted(cell, starts), append=held))
        cell -= np.repeat(starts, counts[-1])
        indices.append(cell.astype(width))
    return Compressed(
        np.concatenate(data), np.concatenate(indices), pointers(np.concatenate(counts))
    )
