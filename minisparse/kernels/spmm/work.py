"""What the panels will do, told from the pattern before anything is packed.

If each of R rows uses a column with its own chance d_i, some row uses it with 1 - prod(1 - d_i): so
many of the columns in use is the width to expect of their panel. The height is then chosen by the
very function that packing uses.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Work
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


def expected_widths(row_counts: Array, columns: int) -> dict[int, float]:
    """Return the mean width to expect of panels of each height.

    Parameters
    ----------
    row_counts : ndarray of int
        Stored entries of each row in use.
    columns : int
        How many columns are in use.

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
    return widths


def panel_work(row_counts: Array, columns: int, types: tuple[TensorType, ...]) -> Work:
    """Return the work of row panels.

    Parameters
    ----------
    row_counts : ndarray of int, shape (M,)
        Stored entries of each row.
    columns : int
        How many columns hold any.
    types : tuple of TensorType
        Of A and B.
    """
    a, b = types
    used = row_counts[row_counts > 0]
    widths = expected_widths(used, columns)
    counts = Extent(len(used), columns, a.dims[1], int(used.sum()), widths)
    choice = choose(counts, max(b.dims[1], 1))
    if len(used) >= SPARED * a.dims[0] and choice.height == len(used):
        height, wide = a.dims[0], a.dims[1] if columns >= SPARED * a.dims[1] else columns
        choice = choice._replace(height=height, multiplied=height * wide)
    return work_of(choice, types, one=choice.height >= len(used))


def work_of(choice: Choice, types: tuple[TensorType, ...], one: bool) -> Work:
    """Return the work of a choice; ``one`` tells that there is a single panel."""
    a, b = types
    (k, n), m, itemsize = b.dims, a.dims[0], b.itemsize
    if choice.height == 0:
        # Per entry: an index, a value and an element of x read, the product written and read.
        read = n * choice.multiplied * (8 + 4 * itemsize)
        return Work(2.0 * n * choice.multiplied, read, n * choice.gathered, 6.0 * n)
    tiles = 1 if one else -(-n // max(tile_width(n, k), 1))
    moved = tiles * choice.multiplied + (2 * k + 3 * m) * n
    gain = DENSE_GAIN if one else choice.gain
    rate = FULL_RATE if one else HEIGHTS[max(r for r in HEIGHTS if r <= choice.height)]
    return Work(
        flops=2.0 * n * choice.multiplied,
        bytes=float(moved * itemsize),
        gathered=n * choice.gathered,
        calls=tiles * (6 + 3 * choice.chunks),
        efficiency=min(1.0, rate / FULL_RATE) * gain / DENSE_GAIN,
    )


def block_work(types: tuple[TensorType, ...]) -> Work:
    """Return the work of block rows laid side by side."""
    a = types[0]
    (k, n), (r, c) = types[1].dims, a.block or (1, 1)
    block_rows = -(-a.dims[0] // r)
    blocks = a.nnz // (r * c)
    if not blocks:
        return work_of(Choice(r, 0, 0, 0, 1, 0.0), types, one=False)
    choice = panels_price(r, block_rows, blocks * c / block_rows, k, max(n, 1))
    # One chunk for each number of blocks that a block row may have: most lie within two
    # standard deviations of the mean, as in a binomial distribution.
    mean = blocks / block_rows
    spread = 1 + 4 * (mean * max(0.0, 1 - mean * c / max(a.dims[1], 1))) ** 0.5
    chunks = choice.chunks - MORE_PIECES + min(block_rows, spread)
    return work_of(choice._replace(chunks=chunks), types, one=False)
