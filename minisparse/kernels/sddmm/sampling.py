"""Which entries of a product ``left @ right.T`` are wanted, and by which tiles they are found.

Rows are taken a few at a time. Where a block of rows wants much of the span of columns between its
first and its last one, that rectangle is computed by BLAS and the entries are picked from it: what
is computed in vain costs less than fetching rows one by one, since a CPU's matrix product is
that much faster. Elsewhere a tile's rows of both factors are gathered, and each pair is multiplied.
Either way every entry is a dot of its own, so that no cell that is not stored can disturb one that
is (rule S1).

The two ways are those of adaptive tiling on GPUs (Hong et al., "Adaptive sparse tiling for sparse
matrix multiplication", PPoPP 2019, section 4 on SDDMM).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix, Pattern
from minisparse.kernels.blas import one_thread
from minisparse.kernels.kernel import Work
from minisparse.kernels.scratch import scratch
from minisparse.kernels.sddmm.lines import gather, lines_of
from minisparse.kernels.spmm.work import LINE
from minisparse.kernels.threads import share, usable_threads
from minisparse.ops import Attrs

ROWS = 64
"""Rows of a block."""
DENSE = 0.05
"""Share of a rectangle that must be wanted for BLAS to be faster; measured, D from 32 to 256."""
CELLS = 1 << 20
"""Cells that a rectangle may have."""
GATHERED = 1 << 16
"""Elements of each factor that are gathered at once: a quarter of a level-2 cache."""
SIDE = 32
"""Of the squares in which entries are expected to come."""
SHARED = 1 << 22
"""From so many multiply-adds on, threads share the tiles; below, to hand them over costs more."""


class Rectangle(NamedTuple):
    """Entries that are picked from a product which is computed as a whole.

    Attributes
    ----------
    slots : slice
        Which entries, in the order of their rows.
    rows, columns : slice
        Between which lines of the product they lie.
    """

    slots: slice
    rows: slice
    columns: slice


@dataclass(frozen=True, eq=False)
class Sampling:
    """The stored positions of a matrix, packed to be computed at.

    Attributes
    ----------
    matrix : Matrix
        The matrix itself: its values are multiplied in, its positions are the result's.
    row, col : ndarray of intp, shape (nnz,)
        Positions, by ascending row.
    order : ndarray of intp, shape (nnz,), or None
        Where each of them is stored; None: in this order.
    tiles : tuple of Rectangle or slice
        All entries in order: those of a rectangle, or slots whose factors are gathered.
    """

    matrix: Matrix
    row: Array
    col: Array
    order: Array | None
    tiles: tuple[Rectangle | slice, ...]

    @property
    def dtype(self) -> DType:
        """The matrix's own."""
        return self.matrix.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        packed = self.row.nbytes + self.col.nbytes + self.matrix.nbytes
        return packed + (0 if self.order is None else self.order.nbytes)


def pack(matrix: Matrix, row: Array, col: Array, rows: int) -> Sampling:
    """Return the positions ``(row, col)`` of a matrix's stored values, in any order, packed.

    Parameters
    ----------
    matrix : Matrix
        Whose values stand there, in the order of ``matrix.data``.
    row, col : ndarray of int, shape (nnz,)
        Positions in the product ``left @ right.T``.
    rows : int
        Number of rows of that product.
    """
    row, col = (x.astype(np.intp, copy=False) for x in (row, col))
    order = None
    if (row[1:] < row[:-1]).any():
        order = np.argsort(row, kind="stable")
        row, col = row[order], col[order]
    return Sampling(matrix, row, col, order, tuple(_tiles(row, col, rows)))


def _tiles(row: Array, col: Array, rows: int) -> Iterator[Rectangle | slice]:
    """Yield rectangles for blocks of rows that want enough of theirs, and what lies between."""
    if not len(row):
        return
    begin = np.searchsorted(row, np.arange(0, rows + ROWS, ROWS))
    some = np.flatnonzero(np.diff(begin))
    first = np.minimum.reduceat(col, begin[some])
    last = np.maximum.reduceat(col, begin[some]) + 1
    height = np.minimum((some + 1) * ROWS, rows) - some * ROWS
    cells, count = height * (last - first), begin[some + 1] - begin[some]
    done = 0
    for i in np.flatnonzero((cells <= CELLS) & (count >= DENSE * cells)).tolist():
        slots = slice(int(begin[some[i]]), int(begin[some[i] + 1]))
        if done < slots.start:
            yield slice(done, slots.start)
        rows_here = slice(int(some[i]) * ROWS, int(some[i]) * ROWS + int(height[i]))
        yield Rectangle(slots, rows_here, slice(int(first[i]), int(last[i])))
        done = slots.stop
    if done < len(row):
        yield slice(done, len(row))


def run(a: Sampling, left: Array, right: Array) -> Matrix:
    """Return the matrix of ``a * (left @ right.T)``, stored as ``a`` is; see :func:`values`."""
    return a.matrix.with_data(values(a, left, right))


def values(a: Sampling, left: Array, right: Array) -> Array:
    """Return ``a * (left @ right.T)`` at the stored positions, ``[nnz]``.

    Parameters
    ----------
    a : Sampling
        The packed matrix.
    left, right : ndarray, shape (M, D), (N, D)
        Of any dtype and memory order.
    """
    data = a.matrix.data.reshape(-1)
    dtype = np.result_type(data, left, right)
    wide = accumulator(dtype)
    # Fewer rows than there are: then turning them all would take longer than fetching some.
    if len(a.row) >= len(left):
        left = lines_of(left, wide)
    if len(a.row) >= len(right):
        right = lines_of(right, wide)
    found = np.empty(len(data), dtype)

    def compute(tile: Rectangle | slice) -> None:
        if isinstance(tile, Rectangle):
            slots, dots = tile.slots, _of_rectangle(a, tile, left, right, wide)
        else:
            slots, dots = tile, _gathered(a, tile, left, right, wide)
        where = slots if a.order is None else a.order[slots]
        found[where] = dots * data[where].astype(wide, copy=False)

    depth = left.shape[1]
    threads = usable_threads() if len(data) * depth >= SHARED else 1
    with one_thread():  # tiles are small, and the same whoever computes them
        share(compute, _small_tiles(a.tiles, depth, wide), threads)
    return found


def _small_tiles(
    tiles: Iterable[Rectangle | slice], depth: int, dtype: DType
) -> Iterator[Rectangle | slice]:
    """Yield rectangles as they are, and other entries a few at a time."""
    step = max(1, GATHERED // max(depth, 1))
    for tile in tiles:
        # Integers have no BLAS, and are slow to multiply in vain.
        if isinstance(tile, Rectangle) and dtype.kind in "fc":
            yield tile
            continue
        slots = tile.slots if isinstance(tile, Rectangle) else tile
        for p in range(slots.start, slots.stop, step):
            yield slice(p, min(p + step, slots.stop))


def _gathered(a: Sampling, slots: slice, left: Array, right: Array, wide: DType) -> Array:
    """Return the dots of some entries, pair by pair."""
    x = gather("left factor", left, a.row[slots], wide)
    y = gather("right factor", right, a.col[slots], wide)
    dots: Array = np.matmul(x[:, None, :], y[:, :, None])[:, 0, 0]
    return dots


def _of_rectangle(a: Sampling, tile: Rectangle, left: Array, right: Array, wide: DType) -> Array:
    """Return the dots of a rectangle's entries, picked from all that it has."""
    slots, rows, columns = tile
    upper, lower = (x.astype(wide, copy=False) for x in (left[rows], right[columns]))
    place = (a.row[slots] - rows.start) * (columns.stop - columns.start)
    place += a.col[slots] - columns.start
    product = scratch("rectangle", (len(upper), len(lower)), wide)
    np.matmul(upper, lower.T, out=product)
    dots: Array = product.reshape(-1).take(place)
    return dots


def by_rectangles(a: TensorType) -> bool:
    """Tell whether entries spread evenly over a matrix will be picked from rectangles."""
    m, n = a.dims
    return a.density >= DENSE and n * min(m, ROWS) <= CELLS


def expected_tiles(pattern: Pattern) -> tuple[Array, Array]:
    """Return how many entries each block of rows has, and how many cells its rectangle.

    Entries come in squares of ``SIDE``, as many in each as the pattern has on average. If u of them
    lie anywhere in a row of N, u - 1 of the u + 1 parts into which they cut it lie between the
    first and the last one. A band reaches no further than it is wide.

    Parameters
    ----------
    pattern : Pattern
        Where the nonzeros are.

    Examples
    --------
    >>> from minisparse.formats import find_pattern
    >>> counts, cells = expected_tiles(find_pattern(np.kron(np.eye(2), np.ones((64, 64)))))
    >>> counts, cells
    (array([4096, 4096]), array([5734.4, 5734.4]))
    """
    m, n = pattern.shape
    begin = np.arange(0, m, ROWS)
    counts = np.add.reduceat(pattern.row_counts, begin) if m else pattern.row_counts
    height = np.minimum(m - begin, ROWS)
    each = max(pattern.nnz / max(pattern.blocks[SIDE], 1), 1.0)
    squares = np.maximum(counts / each, 1.0)
    span = np.minimum(n, SIDE + (n - SIDE) * (squares - 1) / (squares + 1))
    span = np.minimum(span, ROWS + 2 * pattern.bandwidth)
    return counts, height * np.maximum(span, 1) * (counts > 0)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what is done: rectangles where blocks of rows are expected to want enough of theirs.

    Where some blocks want that and some do not, the work is of the kind that most entries are.
    """
    a, x, _ = types
    (m, n), depth = a.dims, x.dims[1]
    counts, cells = expected_tiles(pattern)
    picked = (cells <= CELLS) & (counts >= DENSE * cells) & (counts > 0)
    area, pairs = float(cells[picked].sum()), float(counts[~picked].sum())
    gathered = 2.0 * pairs * depth
    calls = 8.0 * float(picked.sum()) + (6.0 * (1 + gathered / (2 * GATHERED)) if pairs else 0.0)
    factors = (m + n) * depth * x.itemsize + 3 * a.nnz * (x.itemsize + 8)
    rectangles = 2 * pairs < counts.sum()
    return Work(
        flops=2.0 * (area + pairs) * depth if rectangles else 2.0 * pairs * depth,
        bytes=factors + 2.0 * (area + gathered) * x.itemsize,
        gathered=gathered + (a.nnz - pairs) + (n * depth if a.nnz >= n else 0),  # Y is turned
        calls=max(calls, 6.0),
        unit="matmul" if rectangles else "elementwise",
        indices=16.0 * a.nnz,
        entries=2.0 * LINE * pairs,
        way="rectangles" if rectangles else "pairs",
    )
