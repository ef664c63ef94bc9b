"""Row panels: small dense products on gathered rows of B, the way to SpMM that NumPy is fast at.

A panel is R rows of A, packed as a dense ``[R, U]`` over the U columns that any of them uses. Its
part of C is ``values[R, U] @ B[columns]``. Panels of similar width are stacked to chunks
``[P, R, U]``, so that one gather and one batched product serve many panels; B is taken in tiles of
columns that stay in cache. The more rows share a panel, the more often a gathered row of B is
used, and the more zeros are multiplied. After the row panels of Hong et al., "Adaptive sparse
tiling for sparse matrix multiplication", PPoPP 2019, which leave the zeros out; a CPU's matrix
product is so much faster than its gather that a few of them are cheap.

A cell of a panel that A does not store is zero, and 0 * inf would be NaN where rule S1 wants
nothing. Where B is finite that cannot happen; and where it does it cannot go unnoticed, because
NaN and inf survive every later addition. So the smaller of B's and C's tile is looked at: if it is
finite C is right, and if C is not, the columns in question are computed again from the stored
entries alone. That also repeats columns whose sums overflow on their own; they come out infinite
or NaN again.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.kernel import Finish
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spmm.rows import StoredRows, times_vector
from minisparse.kernels.threads import share, usable_threads
from minisparse.kernels.wide import all_finite, wide_dtype

TILE = 256
"""Columns of B in a tile at most, where panels are gathered."""
TILE_ELEMENTS = 1 << 18
"""Elements of B in a tile of many rows, which is then narrower: half of a level-2 cache."""
SCRATCH = 1 << 17
"""Elements of gathered B that a thread holds at once: a quarter of a level-2 cache."""
FINISHED = 1 << 16
"""Elements of C that are finished at once."""
SHARED = 1.5e8
"""From so many multiply-adds on, some 2 ms, threads share the work; below, to hand it over and to
wait for the interpreter in turns costs as much as is gained."""
GATHER_EFFORT = 8
"""To fetch an element of B takes as long as so many multiply-adds."""
NARROW = 4
"""Up to so many columns of B, entry by entry is faster than panels."""


class Chunk(NamedTuple):
    """Panels of the same width.

    Attributes
    ----------
    values : ndarray, shape (P, R, U)
        Cells of A.
    columns : ndarray of intp, shape (P, U / group), or None
        Which rows of B (or groups of rows) each panel multiplies; None: all of them, in order.
    """

    values: Array
    columns: Array | None


@dataclass(frozen=True, eq=False)
class Panels:
    """A matrix packed as row panels.

    Attributes
    ----------
    chunks : tuple of Chunk
        All of one height R.
    position : ndarray of intp, shape (M,), or None
        Where each row of C is found among the panels' rows, the number of these for a row of
        zeros; None: row m is at m.
    shape : tuple of int
        ``(M, K)``.
    dtype : numpy.dtype
        A's own.
    wide : numpy.dtype
        That in which products are summed, and ``values`` stored.
    group : int
        How many neighboring rows of B one element of ``columns`` stands for.
    rows : StoredRows or None
        The stored entries alone; None where panels hold no cell that A does not store, so that
        nothing needs to be computed again.
    """

    chunks: tuple[Chunk, ...]
    position: Array | None
    shape: tuple[int, int]
    dtype: DType
    wide: DType
    group: int = 1
    rows: StoredRows | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        arrays = [array for chunk in self.chunks for array in chunk if array is not None]
        if self.position is not None:
            arrays.append(self.position)
        return sum(a.nbytes for a in arrays) + (self.rows.nbytes if self.rows else 0)

    @property
    def height(self) -> int:
        """R, rows of a panel; 0 where there is none."""
        return int(self.chunks[0].values.shape[1]) if self.chunks else 0

    @cached_property
    def packed_rows(self) -> int:
        """Rows of all panels together."""
        return sum(chunk.values.shape[0] * chunk.values.shape[1] for chunk in self.chunks)

    @cached_property
    def effort(self) -> int:
        """What one column of B takes, in multiply-adds."""
        return self.multiplied + GATHER_EFFORT * self.gathered

    @property
    def multiplied(self) -> int:
        """Multiply-adds for one column of B, those with zeros included."""
        return sum(chunk.values.size for chunk in self.chunks)

    @property
    def gathered(self) -> int:
        """Elements gathered for one column of B."""
        taken = sum(c.columns.size for c in self.chunks if c.columns is not None)
        return int(taken) * self.group

    def __repr__(self) -> str:
        """Return size and shape in one line."""
        m, k = self.shape
        return (
            f"Panels({m}x{k}, {len(self.chunks)} chunks of height {self.height}, "
            f"{self.multiplied} cells, {self.nbytes / 1000:.3g} kB)"
        )


class _Piece(NamedTuple):
    """Some panels of a chunk, and at which row of all panels they begin."""

    values: Array
    columns: Array | None
    start: int


def run(a: Panels, b: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ b``.

    How the work is cut depends on sizes alone, never on how many threads there are to share it, so
    that the same input gives the same bits everywhere.

    Parameters
    ----------
    a : Panels
        The packed matrix ``[M, K]``.
    b : ndarray, shape (K, N)
        Of any dtype and memory order.
    out : ndarray, shape (M, N), optional
        Where to write.
    finish : Finish, optional
        Applied to some rows at a time, all of their columns.
    """
    dtype, wide = a.dtype, a.wide
    if b.dtype != dtype:
        dtype = np.result_type(dtype, b)
        wide = wide_dtype(dtype)
    c = np.empty((a.shape[0], b.shape[1]), dtype) if out is None else out
    columns = b.shape[1]
    one = len(a.chunks) == 1 and a.chunks[0].values.shape[0] == 1
    if not one and a.rows is not None and (columns <= NARROW or not a.chunks):
        _by_columns(a.rows, b, c, wide, range(columns))
        _finish_rows(finish, c)
        return c
    # One panel needs no tiles, and no threads of ours: BLAS has its own.
    width = max(columns if one else tile_width(columns, a.shape[1]), 1)
    threads = 1 if one or a.effort * columns < SHARED else usable_threads()
    tiles = [slice(n, min(n + width, columns)) for n in range(0, columns, width)]
    together = len(tiles) < threads  # else each thread has tiles of its own

    def compute(tile: slice) -> None:
        multiply_tile(a, b[:, tile], c[:, tile], wide, threads if together else 1, SCRATCH)

    if together or threads == 1:
        for tile in tiles:
            compute(tile)
    else:
        share(compute, tiles, threads)
    _finish_rows(finish, c)
    return c


def _finish_rows(finish: Finish | None, c: Array) -> None:
    """Finish C some rows at a time: these lie side by side, which those of a tile do not."""
    if finish is None:
        return
    m, n = c.shape
    step = max(1, FINISHED // max(n, 1))
    for first in range(0, m, step):
        rows = slice(first, min(first + step, m))
        finish(c[rows], (rows, slice(0, n)))


def tile_width(columns: int, rows: int) -> int:
    """Return how wide a tile of B is: a multiple of a cache line that leaves no small rest.

    Parameters
    ----------
    columns : int
        N.
    rows : int
        K.
    """
    widest = max(TILE // 4, min(TILE, TILE_ELEMENTS // max(rows, 1)))
    tiles = -(-columns // widest)
    return -(-columns // max(tiles, 1) // 16) * 16


def multiply_tile(
    a: Panels, b: Array, c: Array, wide: DType, threads: int = 1, room: int = SCRATCH
) -> None:
    """Write ``A @ b`` to ``c``, both tiles that stay near.

    Parameters
    ----------
    a : Panels
        The packed matrix ``[M, K]``, with chunks.
    b : ndarray, shape (K, N)
        Taken as it lies where it is of dtype ``wide``, a whole number of groups, and contiguous; or
        where nothing is gathered, and its rows are.
    c : ndarray, shape (M, N)
        Where to write.
    wide : numpy.dtype
        In which products are summed.
    threads : int
        How many share the pieces.
    room : int
        Elements that a thread gathers at once.
    """
    tile = b
    if a.gathered or b.dtype != wide or not _has_whole_rows(b):
        tile = _tile_of(b, a.group, wide)
    in_place = c.dtype == wide and a.packed_rows == c.shape[0] and _has_whole_rows(c)
    if a.position is None and in_place:
        sums = c
        _multiply_pieces(a, tile, sums, threads, room)
    else:
        sums = scratch("sums", (a.packed_rows + 1, b.shape[1]), wide)
        sums[-1] = 0
        _multiply_pieces(a, tile, sums[:-1], threads, room)
        if a.position is None:
            c[...] = sums[: c.shape[0]]
        elif c.dtype == wide and c.flags.c_contiguous:
            sums.take(a.position, 0, c, "clip")
        else:  # two steps are faster than one: rows are copied as whole lines first
            c[...] = sums.take(a.position, 0)
    if a.rows is None or (tile.size < sums.size and all_finite(tile)):
        return
    if not all_finite(sums):
        _by_columns(a.rows, b, c, wide, np.flatnonzero(~np.isfinite(sums).all(axis=0)))


def _has_whole_rows(x: Array) -> bool:
    """Tell whether each row lies in one piece, though perhaps apart from the next."""
    apart, aside = x.strides
    return aside == x.itemsize and apart >= x.shape[1] * aside


def _tile_of(b: Array, group: int, dtype: DType) -> Array:
    """Return ``b`` contiguous, in ``dtype``, with rows of zeros up to a whole group."""
    height = -(-b.shape[0] // group) * group
    if height == b.shape[0] and b.flags.c_contiguous and b.dtype == dtype:
        return b
    tile = scratch("tile", (height, b.shape[1]), dtype)
    tile[: b.shape[0]] = b
    tile[b.shape[0] :] = 0
    return tile


def _multiply_pieces(a: Panels, tile: Array, sums: Array, threads: int, room: int) -> None:
    """Write each panel's rows of the product to ``sums``, panel after panel."""
    pieces = list(_pieces(a.chunks, tile.shape[1], room))
    if threads == 1:
        _run_pieces(pieces, a, tile, sums)
    else:
        share(lambda some: _run_pieces(some, a, tile, sums), _in_parts(pieces, threads), threads)


def _run_pieces(pieces: Sequence[_Piece], a: Panels, tile: Array, sums: Array) -> None:
    """Gather and multiply, one piece after another.

    All that the calls need is made before the first of them: threads take turns between calls, and
    one that has to wait for its turn is asleep for longer than most calls last.
    """
    width = tile.shape[1]
    largest = max((p.columns.size for p in pieces if p.columns is not None), default=0)
    lines = tile.reshape(-1, a.group * width) if largest else tile
    room = scratch("gathered", (largest, a.group * width), tile.dtype)
    steps = []
    for values, columns, start in pieces:
        panels, height, cells = values.shape
        result = sums[start : start + panels * height].reshape(panels, height, width)
        gathered = None if columns is None else room[: columns.size]
        factor = tile[None] if gathered is None else gathered.reshape(panels, cells, width)
        if gathered is not None and columns is not None:
            gathered = gathered.reshape(*columns.shape, a.group * width)
        steps.append((columns, gathered, values.astype(tile.dtype, copy=False), factor, result))
    take, multiply = lines.take, np.matmul
    for columns, gathered, values, factor, result in steps:
        if columns is not None:
            # The indices are valid; "clip" only spares take the copy it would make to be safe.
            take(columns, 0, gathered, "clip")
        multiply(values, factor, result)


def _in_parts(pieces: Sequence[_Piece], count: int) -> list[Sequence[_Piece]]:
    """Cut a list of pieces into parts of about the same number of cells."""
    ends = np.cumsum([piece.values.size for piece in pieces])
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count) + 1
    bounds = [0, *cuts.tolist(), len(pieces)]
    return [pieces[i:j] for i, j in itertools.pairwise(bounds) if i < j]


def _pieces(chunks: tuple[Chunk, ...], width: int, room: int) -> Iterator[_Piece]:
    """Cut chunks so that what a piece gathers of a tile of B stays near."""
    start = 0
    for values, columns in chunks:
        panels, height, cells = values.shape
        step = panels if columns is None else max(1, room // max(cells * width, 1))
        for first in range(0, panels, step):
            some = slice(first, first + step)
            yield _Piece(values[some], None if columns is None else columns[some], start)
            start += len(values[some]) * height


def _by_columns(
    rows: StoredRows, b: Array, c: Array, wide: DType, columns: "range | Array"
) -> None:
    """Write the given columns of ``A @ b`` to ``c``, from stored entries alone."""
    for n in columns:
        c[:, n] = times_vector(rows, b[:, n].astype(wide, copy=False))
