"""A in tiles for tensor cores: packed as fragments, in the order in which a kernel takes them.

Tiles are what BSR's blocks are. A matrix all of whose tiles are stored, be they dense or 2:4, is a
BSR matrix as well: so one kernel multiplies all three (``mma_tiles.cu``), and the time of one over
the time of another is what the zeros are worth.

A block of threads owns a *group* of rows of tiles. Its *steps* are the columns of tiles in which
the group has any: a step's rows of B are fetched once, for all of them. Of four rows of tiles with
a fifth of the tiles stored at random, a step serves 1.4 tiles; of eight rows, 1.9::

    rows of a group   0  x . x . . x        x is a stored tile, six columns of tiles
                      1  x . . . . x
                      2  . . x . . .        steps: columns 0, 2 and 5
                                            masks: 011, 101, 011 (the last bit is row 0)

Tiles lie step by step, and row by row within a step. Within a tile come its parts along k, one for
each instruction; of each part the pieces of 16 rows; and of each piece, lane after lane, the eight
values that a lane holds. A lane then loads what it needs of a piece at once, as 16 bytes, and a
warp loads 512 bytes that lie side by side.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.xp import namespace
from minisparse.formats import BSR, NM
from minisparse.gpu.tensor_cores import A, pack_metadata

DEEPEST = 32
"""Columns of a tile of BSR at most: wider blocks are cut, so that steps are equally long."""
WHOLE = (64, 64)
"""Rows and columns of a tile where all tiles are stored."""
ROWS = 256
"""Rows of C that a block of threads owns where there is enough to do; 64 at least."""
COLUMNS = 128
"""Columns of C that such a block owns."""
ENOUGH = 132
"""Blocks of threads that give each multiprocessor of a large card (an H100) one."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """A ``[M, K]``, packed for ``mma_tiles.cu``. The arrays lie where A's did.

    Attributes
    ----------
    order : ndarray of int32
        The groups, those with most tiles first: what takes longest begins first.
    indptr : ndarray of int32
        Where the steps of each group begin.
    steps : ndarray of int32, shape (steps, 4)
        The row of B with which a step begins; a bit for each row of the group that has a tile; the
        number of the first of these tiles; and nothing.
    values : ndarray of uint16, shape (tiles, parts, pieces, 32, 8)
        The bits of the values, as the module says.
    metadata : ndarray of uint32, shape (tiles, parts, pieces / 2, 32)
        Of 2:4 tiles, where their values stood; else empty.
    shape : tuple of int
        ``(M, K)``.
    dtype : numpy.dtype
        Of the values: float16 or bfloat16.
    tile : tuple of int
        Rows and columns of a tile.
    group : int
        Rows of tiles in a group.
    sparse : bool
        Whether tiles are 2:4.
    """

    order: Array
    indptr: Array
    steps: Array
    values: Array
    metadata: Array
    shape: tuple[int, int]
    dtype: DType
    tile: tuple[int, int]
    group: int
    sparse: bool

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.order, self.indptr, self.steps, self.values, self.metadata)
        return sum(x.nbytes for x in arrays)


def prepare_bsr(a: BSR, columns: int = 256) -> Tiles:
    """Pack BSR's blocks; see :func:`~minisparse.kernels.spmm.mma_tiles.why_not_bsr` for which."""
    xp: Any = namespace(a.data)
    count, size, _ = a.data.shape
    width = min(size, DEEPEST)
    parts = size // width
    cut = a.data.view(np.uint16).reshape(count, size, parts, width).transpose(0, 2, 1, 3)
    # Of each stored block, its row of blocks: how many rows end at it or before.
    row = xp.searchsorted(a.indptr[1:], xp.arange(count), side="right")
    col = a.indices.astype(np.int64)[:, None] * parts + xp.arange(parts)
    groups = (ROWS // size, 1) if size < 64 else (4, 2, 1)
    tiles = cut.reshape(-1, size, width)
    return _packed(a, xp.repeat(row, parts), col.reshape(-1), tiles, None, columns, groups)


def prepare_nm(a: NM, columns: int = 256) -> Tiles:
    """Pack a 2:4 matrix, filled up with zeros to whole tiles, which are all stored."""
    rows, width = WHOLE
    values = _cut(a.data.view(np.uint16), (rows, width // 2), 0)
    # Groups of four that fill up a tile hold zeros at the positions 0 and 1.
    full = np.tile(np.array([0, 1], np.uint8), width // 4)
    positions = _cut(a.positions, (rows, width // 2), full)
    return _all_stored(a, values, positions, columns)


def prepare_dense(x: Array, columns: int = 256) -> Tiles:
    """Pack a plain matrix, all of whose tiles are stored: the dense twin of the others."""
    return _all_stored(x, _cut(x.view(np.uint16), WHOLE, 0), None, columns)


def pack_values(tiles: Array) -> Array:
    """Return the values of tiles as the module says.

    Parameters
    ----------
    tiles : ndarray, shape (count, rows, columns)
        The values that are stored: of 2:4 tiles, half as many columns. Multiples of 16.

    Returns
    -------
    ndarray, shape (count, columns / 16, rows / 16, 32, 8)
    """
    count, rows, columns = tiles.shape
    cut = tiles.reshape(count, rows // 16, 16, columns // 16, 16)
    return A.pack(cut.transpose(0, 3, 1, 2, 4))


def pack_positions(tiles: Array) -> Array:
    """Return the metadata of 2:4 tiles: a word for each lane, of each 32 rows and 32 columns.

    Parameters
    ----------
    tiles : ndarray of uint8, shape (count, rows, columns / 2)
        Positions of the stored values. Rows and columns are multiples of 32.

    Returns
    -------
    ndarray of uint32, shape (count, columns / 32, rows / 32, 32)
    """
    count, rows, stored = tiles.shape
    cut = tiles.reshape(count, rows // 32, 32, stored // 16, 16)
    return pack_metadata(cut.transpose(0, 3, 1, 2, 4))


def _all_stored(a: Any, values: Array, positions: Array | None, columns: int) -> Tiles:
    """Return a matrix whose tiles are all stored, row after row."""
    xp: Any = namespace(values)
    down, along = (-(-length // size) for length, size in zip(a.shape, WHOLE, strict=True))
    row, col = xp.repeat(xp.arange(down), along), xp.tile(xp.arange(along), down)
    return _packed(a, row, col, values, positions, columns, (4, 2, 1))


def _group(row: Array, col: Array, rows: int, tile_m: int, columns: int, groups: Any) -> int:
    """Return with which size of groups least is fetched, if there are blocks of threads enough.

    Counted are rows of B for a column of C, and as many bytes of A, over the columns that share
    them: twice as many where a block of threads owns a row of tiles alone.
    """
    xp: Any = namespace(col)
    across, along = -(-columns // COLUMNS), _after(col)
    fetched = {}
    for group in groups:
        if group == 1 or -(-rows // group) * across >= ENOUGH:
            steps = len(xp.unique(row // group * along + col))
            width = COLUMNS if group > 1 else min(2 * COLUMNS, max(columns, 1))
            fetched[group] = steps + len(row) * tile_m / width
    found: int = min(fetched, key=lambda group: fetched[group])
    return found


def _cut(x: Array, tile: tuple[int, int], filled: Any) -> Array:
    """Return all tiles of a matrix, filled up to whole ones, shape (count, rows, columns)."""
    xp: Any = namespace(x)
    (rows, columns), (r, c) = x.shape, tile
    down, along = -(-rows // r), -(-columns // c)
    whole = xp.empty((down * r, along, c), x.dtype)
    whole[...] = xp.asarray(filled)
    whole.reshape(down * r, along * c)[:rows, :columns] = x
    found: Array = whole.reshape(down, r, along, c).transpose(0, 2, 1, 3).reshape(-1, r, c)
    return found


def _packed(
    a: Any,
    row: Array,
    col: Array,
    values: Array,
    positions: Array | None,
    columns: int,
    groups: tuple[int, ...],
) -> Tiles:
    """Return stored tiles, given with their rows and columns in any order, packed."""
    xp: Any = namespace(values)
    tile = (values.shape[1], values.shape[2] * (1 if positions is None else 2))
    down, along = -(-a.shape[0] // tile[0]), _after(col)
    group = _group(row, col, down, tile[0], columns, groups)
    turn = _equal_before(row * along + col)
    key = ((row // group * along + col) * _after(turn) + turn) * group
    sorting = xp.argsort(key + row % group)
    row, col, key = row[sorting], col[sorting], key[sorting]
    steps = _steps(row % group, col * tile[1], key)
    owner, bounds = row // group, xp.arange(-(-down // group) + 1)
    tiles_of = xp.searchsorted(owner, bounds)
    return Tiles(
        xp.argsort(-xp.diff(tiles_of), kind="stable").astype(np.int32),
        xp.searchsorted(owner[steps[:, 2]], bounds).astype(np.int32),
        steps,
        pack_values(values[sorting]),
        xp.empty(0, np.uint32) if positions is None else pack_positions(positions[sorting]),
        a.shape,
        a.dtype,
        tile,
        group,
        positions is not None,
    )


def _steps(place: Array, k0: Array, key: Array) -> Array:
    """Return the steps of all groups.

    Parameters
    ----------
    place : ndarray of int, shape (tiles,)
        Which row of its group each tile is in; sorted by step.
    k0 : ndarray of int, shape (tiles,)
        The row of B that it begins with.
    key : ndarray of int, shape (tiles,)
        The same for tiles of one step.
    """
    xp: Any = namespace(key)
    count = len(key)
    begins = xp.ones(count, bool)
    begins[1:] = key[1:] != key[:-1]
    first = xp.flatnonzero(begins)
    ends = xp.concatenate([first[1:], xp.full(len(first[:1]), count, first.dtype)])
    bits = xp.zeros(count + 1, np.int64)
    bits[1:] = xp.cumsum(xp.asarray(1, np.int64) << place)
    found: Array = xp.zeros((len(first), 4), np.int32)
    found[:, 0], found[:, 1], found[:, 2] = k0[first], bits[ends] - bits[first], first
    return found


def _after(x: Array) -> int:
    """Return the number after the largest. Blocks may reach beyond the matrix, and so may these."""
    return int(x.max()) + 1 if len(x) else 1


def _equal_before(key: Array) -> Array:
    """Return how many equal numbers stand before each: blocks may be stored twice, and add up."""
    xp: Any = namespace(key)
    sorting = xp.argsort(key, kind="stable")
    ordered = key[sorting]
    begins = xp.ones(len(key), bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    place = xp.arange(len(key))
    found: Array = xp.empty(len(key), np.int64)
    found[sorting] = place - xp.flatnonzero(begins)[xp.cumsum(begins) - 1] if len(key) else place
    return found
