"""How stored rows become row panels: where each entry goes.

How many rows share a panel is chosen in :mod:`minisparse.kernels.spmm.choice`.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.spmm.choice import HEIGHTS, SPARED, Extent, choose
from minisparse.kernels.spmm.panels import Chunk, Panels
from minisparse.kernels.spmm.rows import StoredRows
from minisparse.kernels.wide import aligned_empty

SLACK = 1.125
"""How much wider than the narrowest panel of its chunk a panel may be."""
SAMPLED = 16
"""How many groups of rows are looked at to choose a height."""


def pack(a: StoredRows, unique: bool, columns: int) -> Panels:
    """Pack stored rows as row panels.

    Parameters
    ----------
    a : StoredRows
        The entries.
    unique : bool
        Whether no cell is stored twice. Where one is, each copy gets a column of its own: adding
        them up first could overflow where the sum of their products does not.
    columns : int
        About how many columns B will have.
    """
    if not len(a.rows):
        return Panels((), np.zeros(a.shape[0], np.intp), a.shape, a.dtype, a.data.dtype)
    lengths = np.diff(a.starts, append=len(a.indices))
    column = a.indices if unique else _apart(a, lengths)
    span = a.shape[1] if unique else int(column.max()) + 1
    used, slot = _distinct(column, span)
    order = np.argsort(-lengths, kind="stable")
    widths = _sample_widths(a, column, order, span)
    counts = Extent(len(order), len(used), a.shape[1], len(column), widths)
    height = choose(counts, max(columns, 1)).height
    if height == 0:
        return Panels((), None, a.shape, a.dtype, a.data.dtype, rows=a)
    if height == len(order):
        return _one_panel(a, used % a.shape[1], slot)
    return _many_panels(a, height, column, span, order)


def _apart(a: StoredRows, lengths: Array) -> Array:
    """Return columns such that the second copy of a cell is K further on, the third 2 K …."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((a.indices, row))
    same = np.zeros(len(order), bool)
    same[1:] = (np.diff(a.indices[order]) == 0) & (np.diff(row[order]) == 0)
    slot = np.arange(len(order))
    first = np.maximum.accumulate(np.where(same, 0, slot))
    apart = np.empty_like(a.indices)
    apart[order] = a.indices[order] + (slot - first) * a.shape[1]
    return apart


def _distinct(keys: Array, bound: int) -> tuple[Array, Array]:
    """Return the distinct keys, ascending, and where among them each key is.

    By a table of all possible keys unless that were much longer than the list: several times
    faster than sorting.
    """
    if bound > 16 * len(keys):
        found, where = np.unique(keys, return_inverse=True)
        return found, where
    table = np.zeros(bound, bool)
    table[keys] = True
    found = np.flatnonzero(table)
    number = np.empty(bound, np.intp)
    number[found] = np.arange(len(found))
    return found, number[keys]


def _sample_widths(a: StoredRows, column: Array, order: Array, span: int) -> dict[int, float]:
    """Return the mean width of panels of each height, of evenly spread ones."""
    tallest = max(HEIGHTS)
    groups = max(len(order) // tallest, 1)
    chosen = np.unique(np.linspace(0, groups - 1, min(groups, SAMPLED)).astype(np.intp))
    stops = np.append(a.starts[1:], len(a.indices))
    seen = [order[g * tallest : (g + 1) * tallest] for g in chosen]
    widths = {}
    for height in HEIGHTS:
        found = []
        for rows in seen:
            for i in range(0, len(rows), height):
                entries = [column[a.starts[r] : stops[r]] for r in rows[i : i + height]]
                found.append(np.unique(np.concatenate(entries)).size)
        widths[height] = float(np.mean(found))
    return widths


def _one_panel(a: StoredRows, columns: Array, slot: Array) -> Panels:
    """Pack the rows and columns in use as one dense matrix; all of them where few are not."""
    m, k = a.shape
    row = np.arange(len(a.rows))
    position = None
    if len(a.rows) >= SPARED * m:
        row = a.rows
    else:
        position = np.full(m, len(row), np.intp)
        position[a.rows] = row
    unique = len(np.unique(columns)) == len(columns)
    gathers = not unique or len(columns) < SPARED * k
    if not gathers:
        slot = columns[slot]
    shape = m if position is None else len(row), len(columns) if gathers else k
    values = aligned_empty((1, *shape), a.data.dtype)
    values[...] = 0
    values[0, np.repeat(row, np.diff(a.starts, append=len(a.indices))), slot] = a.data
    full = values.size == len(a.data)
    chunk = Chunk(values, columns[None] if gathers else None)
    return Panels((chunk,), position, a.shape, a.dtype, a.data.dtype, rows=None if full else a)


def _many_panels(a: StoredRows, height: int, column: Array, span: int, order: Array) -> Panels:
    """Pack panels of ``height`` rows, the rows in use taken in ``order``."""
    lengths = np.diff(a.starts, append=len(a.indices))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    panel, line = np.divmod(np.repeat(rank, lengths), height)
    panels = -(-len(order) // height)
    cells, cell_of_entry = _distinct(panel * span + column, panels * span)
    panel_of_cell = cells // span
    width = np.bincount(panel_of_cell)
    slot = np.arange(len(cells)) - (np.cumsum(width) - width)[panel_of_cell]

    # In memory panels follow each other in the order of their widths.
    by_width = np.argsort(width, kind="stable")
    cuts = _cut(width[by_width])
    padded = np.empty_like(width)
    for start, stop in cuts:
        padded[by_width[start:stop]] = width[by_width[stop - 1]]
    begin = np.empty_like(width)
    begin[by_width] = np.cumsum(padded[by_width]) - padded[by_width]
    columns = np.zeros(int(padded.sum()), np.intp)
    columns[begin[panel_of_cell] + slot] = cells % span % a.shape[1]
    values = aligned_empty((len(columns) * height,), a.data.dtype)
    values[:] = 0
    values[begin[panel] * height + line * padded[panel] + slot[cell_of_entry]] = a.data

    number = np.empty_like(by_width)
    number[by_width] = np.arange(panels)
    at = np.arange(len(order))
    position = np.full(a.shape[0], panels * height, np.intp)
    position[a.rows[order]] = number[at // height] * height + at % height
    shapes = [(stop - start, int(padded[by_width[start]])) for start, stop in cuts]
    chunks = _as_chunks(values, columns, height, shapes)
    return Panels(chunks, position, a.shape, a.dtype, a.data.dtype, rows=a)


def _as_chunks(
    values: Array, columns: Array, height: int, shapes: list[tuple[int, int]]
) -> tuple[Chunk, ...]:
    """Return views of consecutive chunks, given how many panels of which width each holds."""
    chunks = []
    first = 0
    for panels, width in shapes:
        last = first + panels * width
        block = values[first * height : last * height].reshape(panels, height, width)
        chunks.append(Chunk(block, columns[first:last].reshape(panels, width)))
        first = last
    return tuple(chunks)


def _cut(widths: Array) -> list[tuple[int, int]]:
    """Cut ascending widths where a chunk would hold too much padding."""
    cuts = []
    start = 0
    while start < len(widths):
        widest = int(widths[start] * SLACK)
        stop = int(np.searchsorted(widths, widest, side="right"))
        cuts.append((start, stop))
        start = stop
    return cuts
