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

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.kernel import Finish
from minisparse.kernels.spmm.rows import StoredRows, times_vector
from minisparse.kernels.wide import aligned_empty, all_finite, wide_dtype

TILE = 128
"""Columns of B in a tile, where panels are gathered."""
TILE_ELEMENTS = 1 << 17
"""Elements of B in a tile of few rows, which is then wider: a quarter of a level-2 cache."""
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
    def largest(self) -> int:
        """The most rows of B that a chunk gathers."""
        return self.group * max(
            (c.columns.size for c in self.chunks if c.columns is not None), default=0
        )

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


def run(a: Panels, b: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ b``.

    Parameters
    ----------
    a : Panels
        The packed matrix ``[M, K]``.
    b : ndarray, shape (K, N)
        Of any dtype and memory order.
    out : ndarray, shape (M, N), optional
        Where to write.
    finish : Finish, optional
        Applied to each tile of columns, all rows at once.
    """
    dtype, wide = a.dtype, a.wide
    if b.dtype != dtype:
        dtype = np.result_type(dtype, b)
        wide = wide_dtype(dtype)
    c = np.empty((a.shape[0], b.shape[1]), dtype) if out is None else out
    one = len(a.chunks) == 1 and a.chunks[0].values.shape[0] == 1
    if not one and a.rows is not None and (b.shape[1] <= NARROW or not a.chunks):
        _by_columns(a.rows, b, c, wide, range(b.shape[1]))
        if finish is not None:
            finish(c, (slice(0, c.shape[0]), slice(0, c.shape[1])))
        return c
    # One panel needs no tiles: BLAS has its own.
    tile = b.shape[1] if one else tile_width(b.shape[1], max(a.shape[1], a.largest // 2))
    for n in range(0, b.shape[1], max(tile, 1)):
        columns = slice(n, min(n + tile, b.shape[1]))
        _multiply_tile(a, b[:, columns], c[:, columns], wide)
        if finish is not None:
            finish(c[:, columns], (slice(0, c.shape[0]), columns))
    return c


def tile_width(columns: int, rows: int) -> int:
    """Return how wide a tile of B is: a multiple of a cache line that leaves no small rest.

    Parameters
    ----------
    columns : int
        N.
    rows : int
        How many rows of B a tile and what is gathered from it have.
    """
    widest = max(TILE, TILE_ELEMENTS // max(rows, 1))
    tiles = -(-columns // widest)
    return -(-columns // max(tiles, 1) // 16) * 16


def _multiply_tile(a: Panels, b: Array, c: Array, wide: DType) -> None:
    """Write ``A @ b`` to ``c``, a slice of the result."""
    tile = _tile_of(b, a.group, wide)
    direct = c.dtype == wide and c.flags.c_contiguous
    if a.position is None and direct and a.packed_rows == c.shape[0]:
        sums = c
        _multiply_chunks(a, tile, sums)
    else:
        sums = aligned_empty((a.packed_rows + 1, b.shape[1]), wide)
        sums[-1] = 0
        _multiply_chunks(a, tile, sums[:-1])
        if a.position is None:
            c[...] = sums[: c.shape[0]]
        elif direct:
            sums.take(a.position, 0, c, "clip")
        else:  # two steps are faster than one: rows are copied as whole lines first
            c[...] = sums.take(a.position, 0)
    if a.rows is None or (tile.size < sums.size and all_finite(tile)):
        return
    if not all_finite(sums):
        _by_columns(a.rows, b, c, wide, np.flatnonzero(~np.isfinite(sums).all(axis=0)))


def _tile_of(b: Array, group: int, dtype: DType) -> Array:
    """Return ``b`` contiguous, in ``dtype``, with rows of zeros up to a whole group."""
    height = -(-b.shape[0] // group) * group
    if height == b.shape[0] and b.flags.c_contiguous and b.dtype == dtype:
        return b
    tile = aligned_empty((height, b.shape[1]), dtype)
    tile[: b.shape[0]] = b
    tile[b.shape[0] :] = 0
    return tile


def _multiply_chunks(a: Panels, tile: Array, sums: Array) -> None:
    """Write each panel's rows of the product to ``sums``, panel after panel."""
    width = tile.shape[1]
    lines = tile.reshape(-1, a.group * width)
    scratch = aligned_empty((a.largest // a.group, a.group * width), tile.dtype)
    start = 0
    for values, columns in a.chunks:
        panels, height, cells = values.shape
        result = sums[start : start + panels * height].reshape(panels, height, width)
        start += panels * height
        factor = tile[None]
        if columns is not None:
            gathered = scratch[: columns.size].reshape(*columns.shape, a.group * width)
            # The indices are valid; "clip" only spares take the copy it would make to be safe.
            lines.take(columns, 0, gathered, "clip")
            factor = gathered.reshape(panels, cells, width)
        np.matmul(values.astype(tile.dtype, copy=False), factor, out=result)


def _by_columns(
    rows: StoredRows, b: Array, c: Array, wide: DType, columns: "range | Array"
) -> None:
    """Write the given columns of ``A @ b`` to ``c``, from stored entries alone."""
    for n in columns:
        c[:, n] = times_vector(rows, b[:, n].astype(wide, copy=False))
