"""What the panels will do, told from the pattern before anything is packed.

If each of R rows uses a column with its own chance d_i, some row uses it with 1 - prod(1 - d_i): so
many of the columns in use is the width to expect of their panel, unless rows are known to be alike:
then it is that of the blocks in which their entries lie. The height is then chosen by the very
function that packing uses.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.kernel import Work
from minisparse.kernels.product import pieces, product_work
from minisparse.kernels.spmm.choice import (
    DENSE_GAIN,
    FULL_RATE,
    HEIGHTS,
    MORE_PIECES,
    SPARED,
    Choice,
    Extent,
    choose,
    panels_price,
)
from minisparse.kernels.spmm.panels import tile_width
from minisparse.kernels.spmm.rows import CHUNK

LINE = 40
"""To begin a line that is gathered takes as long as to copy so many elements."""


def expected_widths(
    row_counts: Array, columns: int, blocks: Mapping[int, int] | None = None
) -> dict[int, float]:
    """Return the mean width to expect of panels of each height.

    Parameters
    ----------
    row_counts : ndarray of int
        Stored entries of each row in use.
    columns : int
        How many columns are in use.
    blocks : mapping, optional
        From s to how many s x s blocks hold any entry.

    Examples
    --------
    >>> expected_widths(np.full(64, 10), 100)[2]
    19.0
    """
    missing = 1 - np.sort(row_counts)[::-1] / max(columns, 1)
    widths = {}
    for height in HEIGHTS:
        filled = np.append(missing, np.ones(-len(missing) % height))
        unused = filled.reshape(-1, height).prod(axis=1)
        widths[height] = float(columns * (1 - unused).mean()) if len(missing) else 0.0
        if blocks and height in blocks and len(missing):
            most = blocks[height] * height / -(-len(missing) // height)
            widths[height] = min(widths[height], max(most, float(np.mean(row_counts))))
    return widths


def panel_work(
    row_counts: Array,
    columns: int,
    types: tuple[TensorType, ...],
    blocks: Mapping[int, int] | None = None,
) -> Work:
    """Return the work of row panels.

    Parameters
    ----------
    row_counts : ndarray of int, shape (M,)
        Stored entries of each row.
    columns : int
        How many columns hold any.
    types : tuple of TensorType
        Of A and B.
    blocks : mapping, optional
        From s to how many s x s blocks hold any entry.
    """
    a, b = types
    used = row_counts[row_counts > 0]
    if not len(used):
        return _one_work(Choice(0, 0, 0, 1, 1, 0), types)
    widths = expected_widths(used, columns, blocks)
    counts = Extent(len(used), columns, a.dims[1], int(used.sum()), widths)
    choice = choose(counts, max(b.dims[1], 1))
    if len(used) >= SPARED * a.dims[0] and choice.height == len(used):
        height, wide = a.dims[0], a.dims[1] if columns >= SPARED * a.dims[1] else columns
        choice = choice._replace(height=height, multiplied=height * wide)
    if choice.height == 0:
        return _entries_work(choice, len(used), types)
    if choice.height >= len(used):
        return _one_work(choice, types)
    return gathered_work(choice, -(-len(used) // choice.height), types)


def _entries_work(choice: Choice, used: int, types: tuple[TensorType, ...]) -> Work:
    """Return the work of products with one column after another, entry by entry."""
    a, b = types
    (k, n), m, itemsize = b.dims, a.dims[0], b.itemsize
    entries = n * choice.multiplied
    # Per entry: an index, a value and an element of x read, the product written and read.
    moved = entries * (8 + 4 * itemsize) + (2 * k + 3 * m) * n * itemsize
    return Work(
        flops=2.0 * entries,
        bytes=float(moved),
        gathered=float(entries),
        calls=n * (10.0 + 4 * (choice.multiplied // CHUNK)),
        unit="elementwise",
        indices=8.0 * entries,
        rows=float(n * used),
        way="by entries",
    )


def _one_work(choice: Choice, types: tuple[TensorType, ...]) -> Work:
    """Return the work of a single panel: a dense product, what it gathers, and putting back."""
    a, b = types
    (k, n), m, itemsize = b.dims, a.dims[0], b.itemsize
    wide = round(choice.multiplied / max(choice.height, 1))
    product = product_work(choice.height, wide, n, itemsize, "product")
    moved = choice.multiplied + (2 * k + 3 * m) * n
    return replace(
        product,
        bytes=float(moved * itemsize),
        gathered=float(n * choice.gathered),
        calls=5.0 + 2 * (choice.gathered > 0) + 2 * (choice.height < m),
    )


def gathered_work(
    choice: Choice, panels: int, types: tuple[TensorType, ...], group: int = 1
) -> Work:
    """Return the work of panels that gather what they multiply.

    Parameters
    ----------
    choice : Choice
        Their height, and what they do for one column.
    panels : int
        How many there are.
    types : tuple of TensorType
        Of A and B.
    group : int
        How many neighboring rows of B are gathered at once.
    """
    a, b = types
    (k, n), m, itemsize = b.dims, a.dims[0], b.itemsize
    width = max(tile_width(n, k), 1)
    tiles, tile = -(-n // width), min(width, max(n, 1))
    lines = tiles * choice.gathered / group
    moved = tiles * choice.multiplied + (2 * k + 3 * m) * n
    rate = HEIGHTS[max(r for r in HEIGHTS if r <= choice.height)]
    full = min(1.0, rate / FULL_RATE) * choice.gain / DENSE_GAIN
    return Work(
        flops=2.0 * n * choice.multiplied,
        bytes=float(moved * itemsize + 8 * lines),
        gathered=n * choice.gathered,
        calls=tiles * (6 + 3 * choice.chunks),
        efficiency=full * tile / max(tile, 8 * pieces(tile)),
        indices=8.0 * lines,
        rows=float(tiles * panels),
        entries=float(LINE * lines),
        way="panels" if group == 1 else "blocks",
    )


def nm_columns(pattern: Pattern, a: TensorType) -> int:
    """Return about how many columns hold any stored value of an n:m matrix, padding included.

    Where a group of a row has fewer than n nonzeros, its first free places are stored too.
    """
    k, (n, m) = a.dims[1], a.block or (1, 1)
    if pattern.nnz == a.nnz:
        return pattern.nonzero_cols
    return min(k, pattern.nonzero_cols + n * -(-k // m))


def block_lines(pattern: Pattern, a: TensorType) -> tuple[int, int]:
    """Return about how many rows and columns lie in blocks that are stored.

    Nonzero lines may share blocks or not: as if each lay anywhere, and there are no more lines of
    blocks than blocks.
    """
    found = []
    (r, c), nnz = a.block or (1, 1), a.nnz
    for lines, used, side in zip(
        a.dims, (pattern.nonzero_rows, pattern.nonzero_cols), (r, c), strict=True
    ):
        missing = (1 - used / max(lines, 1)) ** side
        blocks = min(-(-lines // side) * (1 - missing), nnz / (r * c), used)
        found.append(min(lines, round(blocks * side)))
    return found[0], found[1]


def _block_counts(a: TensorType, row_counts: Array | None, blocks: int) -> float:
    """Return how many different numbers of blocks the block rows may have: a chunk for each.

    Each block row may have any number within two standard deviations of what its rows let expect,
    as in a binomial distribution; a number counts as far as some block row is likely to have it.
    """
    (m, k), (r, c) = a.dims, a.block or (1, 1)
    block_rows, per_row = -(-m // r), max(-(-k // c), 1)
    mean = np.full(block_rows, blocks / block_rows)
    if row_counts is not None:
        empty = np.append(1 - row_counts / max(k, 1), np.ones(-m % r)).reshape(-1, r)
        mean = per_row * (1 - empty.prod(axis=1) ** c)
        mean = np.minimum(mean * (blocks / max(float(mean.sum()), 1e-9)), per_row)
    spread = 2 * np.sqrt(mean * (1 - mean / per_row))
    low = np.clip(np.rint(mean - spread), 0, per_row).astype(np.intp)
    high = np.clip(np.rint(mean + spread), 0, per_row).astype(np.intp)
    change = np.zeros(per_row + 2)
    np.add.at(change, low, 1 / (high - low + 1))
    np.add.at(change, high + 1, -1 / (high - low + 1))
    return float((1 - np.exp(-np.maximum(np.cumsum(change)[1:-1], 0))).sum())


def block_work(types: tuple[TensorType, ...], row_counts: Array | None = None) -> Work:
    """Return the work of block rows laid side by side.

    Parameters
    ----------
    types : tuple of TensorType
        Of A and B.
    row_counts : ndarray of int, shape (M,), optional
        Nonzeros of each row, where they are known.
    """
    a = types[0]
    (k, n), (r, c) = types[1].dims, a.block or (1, 1)
    block_rows = -(-a.dims[0] // r)
    blocks = a.nnz // (r * c)
    if not blocks:
        return Work(0.0, 3.0 * a.dims[0] * n * types[1].itemsize, calls=8.0, way="blocks")
    choice = panels_price(r, block_rows, blocks * c / block_rows, k, max(n, 1))
    chunks = choice.chunks - MORE_PIECES + _block_counts(a, row_counts, blocks)
    return gathered_work(choice._replace(chunks=chunks), block_rows, types, group=c)
