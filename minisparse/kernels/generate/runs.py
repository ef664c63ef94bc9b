"""Rows of similar length brought together, so that NumPy can take many rows at once.

A loop over the entries of a row cannot be turned into array code where rows differ in length. So
rows are grouped by length. Within a group short rows are filled up, and what fills them meets a
row of zeros of its own, one behind the last of the dense operand: a 0 that meets an infinite
element would be NaN where rule S1 of docs/language.md wants nothing. n:m has one length, and needs
neither. The same is done for rows of blocks.

How rows are grouped follows from the pattern alone: where it is known, sizes are baked into the
source. Where it consists of a few whole diagonals there is nothing to gather at all.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import UsageError
from minisparse.formats import BSR, NM, Matrix
from minisparse.kernels.generate.nest import Nest

FEW_LENGTHS = 3
"""Up to so many different lengths are taken as they are."""
SLACK = 512
"""So many slots may be filled up in any group: another group costs more calls than they save."""
SHARE = 0.125
"""And so large a share of a group's slots."""
MOST_GROUPS = 5
"""Groups whose sizes are baked in; more are a loop."""
MOST_DIAGONALS = 5
"""Diagonals that are written out."""

LOOKED_AT = 1 << 20
"""Entries by which diagonals are recognized; then all of them are compared."""


class Run(NamedTuple):
    """Some rows that are taken together: what is baked in of them.

    Attributes
    ----------
    length : int
        Slots of each: entries or blocks.
    rows : int
        How many they are.
    start : int or None
        The first of them, where they are neighbors.
    filled : bool
        Whether some of the slots are filled up.
    """

    length: int
    rows: int
    start: int | None
    filled: bool


class Diagonal(NamedTuple):
    """Entries ``(m, m + offset)`` of all rows from ``start`` to before ``stop``."""

    offset: int
    start: int
    stop: int


class PackedRun(NamedTuple):
    """Rows that are taken together, with their entries.

    Attributes
    ----------
    rows : ndarray of intp, shape (R,)
        Which rows, or block rows.
    columns : ndarray of intp, shape (R, L)
        Which row of the dense operand, or block of rows, each slot meets; one behind the last for
        what is filled up.
    values : ndarray, shape (R, h, L * w)
        The entries, in the dtype in which they are summed; blocks side by side.
    """

    rows: Array
    columns: Array
    values: Array


@dataclass(frozen=True, eq=False)
class Packed:
    """A matrix as a vectorized form wants it.

    Attributes
    ----------
    shape, dtype, format, block
        The matrix's own.
    runs : tuple of PackedRun
        Of products.
    diagonals : tuple of ndarray
        The values of each diagonal, ``[rows, 1]`` or, for a vector, ``[rows]``.
    row, col, values : ndarray
        Of sampled products, for each slot: which rows of the left and of the right factor it
        takes, and its value.
    matrix : Matrix or None
        Of sampled products, the matrix, which the result resembles.
    """

    shape: tuple[int, int]
    dtype: DType
    format: str
    block: tuple[int, int] | None
    runs: tuple[PackedRun, ...] = ()
    diagonals: tuple[Array, ...] = ()
    row: Array | None = None
    col: Array | None = None
    values: Array | None = None
    matrix: Matrix | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        own = [x for x in (self.row, self.col, self.values) if x is not None]
        return sum(x.nbytes for x in (*own, *self.diagonals, *(x for r in self.runs for x in r)))


class _Lines(NamedTuple):
    """Slots in the order of the result's lines: where each stands, and its values ``[P, h, w]``."""

    own: Array
    other: Array
    values: Array
    counts: Array


def own_axis(nest: Nest) -> int:
    """Return which axis of the matrix the result has: its rows or, of a transpose, columns."""
    stored = nest.expression.stored.letters
    return next(i for i, letter in enumerate(stored) if letter in nest.expression.result.letters)


def group_rows(counts: Array) -> list[tuple[int, Array]]:
    """Return the groups of rows with these counts: how long they become, and which rows.

    Examples
    --------
    >>> group_rows(np.array([2, 0, 5, 2]))
    [(5, array([2])), (2, array([0, 3]))]
    >>> [(length, len(rows)) for length, rows in group_rows(np.arange(200))]
    [(199, 50), (149, 38), (111, 32), (79, 32), (47, 32), (15, 15)]
    """
    lengths = np.unique(counts[counts > 0])
    if len(lengths) <= FEW_LENGTHS:
        return [(int(n), np.flatnonzero(counts == n)) for n in lengths[::-1]]
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    found = []
    while len(order):
        length = int(counts[order[0]])
        filled = np.cumsum(length - counts[order])
        slots = length * np.arange(1, len(order) + 1)
        fits = filled <= np.maximum(SLACK, SHARE * slots)
        stop = len(order) if fits.all() else int(np.argmin(fits))
        found.append((length, np.sort(order[:stop])))
        order = order[stop:]
    return found


def sizes_of(counts: Array) -> tuple[Run, ...]:
    """Return what can be baked in of rows with these counts."""
    return tuple(_size(length, rows, counts) for length, rows in group_rows(counts))


def _size(length: int, rows: Array, counts: Array) -> Run:
    neighbors = int(rows[-1]) - int(rows[0]) == len(rows) - 1
    filled = bool((counts[rows] < length).any())
    return Run(length, len(rows), int(rows[0]) if neighbors else None, filled)


def bake(nest: Nest, a: Matrix) -> Nest:
    """Return the nest with what is known of a matrix's pattern in it."""
    if nest.expression.scale is not None:
        return nest
    lines = _lines_of(nest, a)
    diagonals = () if isinstance(a, BSR) else _diagonals(lines)
    return baked(nest, () if diagonals else sizes_of(lines.counts), diagonals)


def baked(nest: Nest, runs: tuple[Run, ...], diagonals: tuple[Diagonal, ...] = ()) -> Nest:
    """Return the nest with sizes in it, where they are few enough to be written out."""
    return replace(nest, runs=runs if len(runs) <= MOST_GROUPS else (), diagonals=diagonals)


def _diagonals(lines: _Lines) -> tuple[Diagonal, ...]:
    """Return the diagonals that the entries fill without a gap; nothing if there are others."""
    offsets = lines.other - lines.own
    found: list[Diagonal] = []
    for offset in np.unique(offsets[:LOOKED_AT]):
        rows = lines.own[offsets == offset]
        if len(found) == MOST_DIAGONALS or (np.diff(rows) != 1).any():
            return ()
        found.append(Diagonal(int(offset), int(rows[0]), int(rows[-1]) + 1))
    together = sum(d.stop - d.start for d in found)
    return tuple(found) if together == len(offsets) else ()


def _lines_of(nest: Nest, a: Matrix) -> _Lines:
    """Return the slots line by line; within a line as they are stored."""
    axis = own_axis(nest)
    own, other, values = _slots(a, axis)
    order = np.argsort(own, kind="stable")
    height = a.block[axis] if isinstance(a, BSR) else 1
    counts = np.bincount(own, minlength=-(-a.shape[axis] // height))
    return _Lines(own[order].astype(np.intp), other[order].astype(np.intp), values[order], counts)


def _slots(a: Matrix, axis: int) -> tuple[Array, Array, Array]:
    """Return for each slot its line, the line it meets, and its values ``[P, h, w]``."""
    if isinstance(a, BSR):
        row = np.repeat(np.arange(len(a.indptr) - 1), np.diff(a.indptr))
        data = a.data if axis == 0 else a.data.transpose(0, 2, 1)
        return (row, a.indices, data) if axis == 0 else (a.indices, row, data)
    row, col, values, _ = a.triplets()
    first, second = (row, col) if axis == 0 else (col, row)
    return first, second, values[:, None, None]


def pack(nest: Nest, a: Matrix) -> Packed:
    """Return a matrix as the vectorized form of a nest wants it.

    Raises
    ------
    UsageError
        If the nest has a pattern baked in, and the matrix has another.
    """
    if nest.expression.scale is not None:
        return _pack_sampled(nest, a)
    lines = _lines_of(nest, a)
    packed = Packed(a.shape, a.dtype, a.format, a.block)
    if nest.diagonals:
        fits = not isinstance(a, BSR) and _diagonals(lines) == nest.diagonals
        packed = replace(packed, diagonals=tuple(_pack_diagonals(nest, lines)) if fits else ())
    else:
        fits = not nest.runs or sizes_of(lines.counts) == nest.runs
        packed = replace(packed, runs=tuple(_pack_runs(nest, a, lines)))
    if not fits:
        raise UsageError(
            f"{nest.name} was generated for a matrix with another pattern, which is baked in: "
            f"write one for this matrix with ms.generate"
        )
    return packed


def _pack_diagonals(nest: Nest, lines: _Lines) -> list[Array]:
    offsets = lines.other - lines.own
    shape = (-1, 1) if nest.expression.free else (-1,)
    values = lines.values.reshape(-1).astype(nest.wide)
    return [values[offsets == d.offset].reshape(shape) for d in nest.diagonals]


def _pack_runs(nest: Nest, a: Matrix, lines: _Lines) -> list[PackedRun]:
    axis, counts = own_axis(nest), lines.counts
    starts = np.cumsum(counts) - counts
    width = a.block[1 - axis] if isinstance(a, BSR) else 1
    behind = -(-a.shape[1 - axis] // width)
    runs = []
    for length, rows in group_rows(counts):
        place = np.arange(length)
        inside = place < counts[rows][:, None]
        slots = np.where(inside, starts[rows][:, None] + place, 0)
        blocks = lines.values[slots].astype(nest.wide)  # [R, L, h, w]
        blocks[~inside] = 0
        side = blocks.transpose(0, 2, 1, 3).reshape(len(rows), blocks.shape[2], -1)
        columns = np.where(inside, lines.other[slots], behind)
        runs.append(PackedRun(rows, columns, np.ascontiguousarray(side)))
    return runs


def _pack_sampled(nest: Nest, a: Matrix) -> Packed:
    """Return rows and columns of every slot; what lies beyond the matrix takes the last one."""
    row, col = _cells(a)
    row = np.minimum(row, max(a.shape[0] - 1, 0)).astype(np.intp)
    col = np.minimum(col, max(a.shape[1] - 1, 0)).astype(np.intp)
    values = (a.data.reshape(-1) if isinstance(a, NM) else a.data).astype(nest.wide)
    packed = Packed(a.shape, a.dtype, a.format, a.block, matrix=a)
    return replace(packed, row=row, col=col, values=values)


def _cells(a: Matrix) -> tuple[Array, Array]:
    """Return the row and the column of every slot; of blocks, of each of their rows and columns."""
    if isinstance(a, BSR):
        (r, c), row = a.block, np.repeat(np.arange(len(a.indptr) - 1), np.diff(a.indptr))
        rows = row[:, None] * r + np.arange(r)
        return rows, a.indices.astype(np.int64)[:, None] * c + np.arange(c)
    if isinstance(a, NM):
        count, slots = a.data.shape
        columns = np.arange(slots) // a.n * a.m + a.positions
        return np.repeat(np.arange(count), slots), columns.reshape(-1)
    row, col, _, _ = a.triplets()
    return row, col
