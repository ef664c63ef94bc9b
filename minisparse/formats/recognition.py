"""Find the pattern of a matrix: count its nonzeros by row, column, block and group.

Everything is counted on a mask of one byte per element, whose rows are padded to a multiple of
32: two neighbors in a row are then one uint16, four one uint32, eight one uint64, and the bits
set in such a word are the nonzeros of the group. A sparse matrix too large for a mask is counted
from its sorted coordinates.
"""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError, UsageError
from minisparse.core.xp import namespace, to_device
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import starts_of_runs
from minisparse.formats.intake import as_array, as_values, frozen
from minisparse.formats.ordering import lexical_order
from minisparse.formats.pattern import BLOCK_SIZES, GROUP_SIZES, Pattern

MASK_LIMIT = 2**26
"""Most elements for which a sparse matrix is given a mask of one byte each."""

Sizes = Iterable[tuple[int, int]]
_EDGE = max(BLOCK_SIZES)
_COUNTED = [(s, s) for s in (1, *BLOCK_SIZES)]


def find_pattern(x: Any, *, rectangles: Sizes = ()) -> Pattern:
    """Return where the nonzero values of a matrix are.

    Parameters
    ----------
    x : Matrix or array_like, shape (M, K)
        Only values count that are not zero: explicit zeros and padding do not, nor duplicates
        that cancel. NaN is not zero. On a card it is counted there, and the counts are fetched.
    rectangles : iterable of (height, width)
        Block sizes to be counted besides the squares of ``BLOCK_SIZES``; the blocks of a BSR
        matrix are counted unasked.

    Raises
    ------
    ShapeError
        If ``x`` is not 2-D.
    UsageError
        If a side of a rectangle is below 1.

    Examples
    --------
    >>> p = find_pattern([[1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    >>> p.nnz, p.nonzero_rows, p.blocks[2], p.fits_nm(2, 4), p.bandwidth
    (2, 1, 2, True, 2)
    """
    rectangles = tuple(rectangles)
    if any(min(size) < 1 for size in rectangles):
        raise UsageError(f"find_pattern: rectangles are {rectangles}: no side may be below 1")
    if isinstance(x, Matrix):
        if x.format == "bsr" and x.block is not None and x.block not in _COUNTED:
            rectangles = (*rectangles, x.block)
        row, col, data, shape = x.canonical().triplets()
        there = data != 0
        return _of_positions(row[there], col[there], shape, rectangles)
    if hasattr(x, "tocoo"):
        raise UsageError("find_pattern: x is sparse, but not minisparse's; use from_scipy first")
    if (found := as_array(x, "find_pattern: x")).ndim != 2:
        raise ShapeError(f"find_pattern: x has shape {found.shape}: it must be a matrix [M, K]")
    values = as_values(found, 2, "find_pattern: x")
    mask = _empty_mask(values.shape, namespace(values))
    np.not_equal(values, 0, out=mask[: values.shape[0], : values.shape[1]])
    return _of_mask(mask, values.shape, rectangles)


def _of_positions(row: Array, col: Array, shape: tuple[int, int], rectangles: Sizes) -> Pattern:
    if shape[0] * shape[1] <= max(MASK_LIMIT, 32 * len(row)):
        mask = _empty_mask(shape, namespace(row))
        mask[row, col] = True
        return _of_mask(mask, shape, rectangles)
    return _of_coordinates(row, col, shape, rectangles)


def _kept(counts: Array) -> Array:
    """Return counts as a pattern keeps them: in main memory, not to be written to."""
    return frozen(to_device(counts, "cpu"))


# -- on a mask -----------------------------------------------------------------------------------


def _empty_mask(shape: tuple[int, int], xp: ModuleType) -> Array:
    # At least one block each way, so that a matrix without elements needs no path of its own.
    mask: Array = xp.zeros([max(1, -(-d // _EDGE)) * _EDGE for d in shape], bool)
    return mask


def _of_mask(mask: Array, shape: tuple[int, int], rectangles: Sizes) -> Pattern:
    m, k = shape
    eights = np.bitwise_count(mask.view(np.uint64))
    bands = mask.view(np.uint8).reshape(-1, _EDGE, mask.shape[1])
    # Sums of 32 bits fit in a byte, and adding bytes is several times faster than adding int64.
    col_counts = bands.sum(axis=1, dtype=np.uint8).sum(axis=0, dtype=np.int64)
    return Pattern(
        shape,
        _kept(eights.sum(axis=1, dtype=np.int64)[:m]),
        _kept(col_counts[:k]),
        _count_squares(mask),
        _count_groups(mask, shape, eights),
        _bandwidth(mask[:m, :k]),
        {(r, c): _count_rectangles(mask[:m, :k], r, c) for r, c in rectangles},
    )


def _count_squares(mask: Array) -> dict[int, int]:
    """Halve the mask in both directions again and again; each level counts one block size."""
    counts = {}
    for s in BLOCK_SIZES:
        mask = mask[0::2] | mask[1::2]
        mask = mask[:, 0::2] | mask[:, 1::2]
        counts[s] = int(np.count_nonzero(mask))
    return counts


def _count_groups(mask: Array, shape: tuple[int, int], eights: Array) -> dict[int, tuple[int, ...]]:
    counted = {
        2: np.bitwise_count(mask.view(np.uint16)),
        4: np.bitwise_count(mask.view(np.uint32)),
        8: eights,
        16: eights[:, 0::2] + eights[:, 1::2],
    }
    groups = {}
    for m in GROUP_SIZES:
        inside = counted[m][: shape[0], : -(-shape[1] // m)]
        groups[m] = tuple(int(np.count_nonzero(inside == n)) for n in range(m + 1))
    return groups


def _count_rectangles(mask: Array, r: int, c: int) -> int:
    r, c = min(r, max(1, mask.shape[0])), min(c, max(1, mask.shape[1]))  # one block covers it all
    pad = [(0, -mask.shape[0] % r), (0, -mask.shape[1] % c)]
    padded = np.pad(mask, pad)
    blocks = padded.reshape(padded.shape[0] // r, r, padded.shape[1] // c, c)
    return int(np.count_nonzero(blocks.any(axis=(1, 3))))


def _bandwidth(mask: Array) -> int:
    if not mask.any():
        return 0
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask.argmax(axis=1)[rows]
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)[rows]
    return int(max((rows - first).max(), (last - rows).max()))


# -- from coordinates ----------------------------------------------------------------------------


def _of_coordinates(row: Array, col: Array, shape: tuple[int, int], rectangles: Sizes) -> Pattern:
    row, col = _sorted(row, col, shape)
    sizes = {(s, s) for s in BLOCK_SIZES} | set(rectangles)
    blocks = {(r, c): _count_cells(row // r, col // c, shape) for r, c in sizes}
    far = np.abs(row.astype(np.int64) - col)
    return Pattern(
        shape,
        _kept(np.bincount(row, minlength=shape[0])),
        _kept(np.bincount(col, minlength=shape[1])),
        {s: blocks[s, s] for s in BLOCK_SIZES},
        {m: _group_histogram(row, col // m, m, shape) for m in GROUP_SIZES},
        int(far.max()) if len(far) else 0,
        {rc: blocks[rc] for rc in rectangles},
    )


def _sorted(row: Array, col: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    order = lexical_order(row, col, shape)
    return (row, col) if order is None else (row[order], col[order])


def _count_cells(row: Array, col: Array, shape: tuple[int, int]) -> int:
    """Return how many different (row, col) there are."""
    return int(np.count_nonzero(starts_of_runs(*_sorted(row, col, shape))))


def _group_histogram(row: Array, group: Array, m: int, shape: tuple[int, int]) -> tuple[int, ...]:
    """Return how many groups hold 0, 1 … m of the sorted coordinates."""
    starts = np.flatnonzero(starts_of_runs(row, group))
    held = np.bincount(np.diff(starts, append=len(row)), minlength=m + 1)
    held[0] = shape[0] * -(-shape[1] // m) - len(starts)
    return tuple(int(n) for n in held)
