"""SpMM on CSR by threads: a warp owns a tile of a row of C, and its lanes neighboring columns.

Row m of C is a sum of rows of B, and lanes that stand side by side read side by side::

    lane              0    1    2    3  ...  31
    B[k, :]           b    b    b    b        b     for each entry of row m: its row of B,
    C[m, :]          +=   +=   +=   +=       +=     one element a lane, in one access

That is the row split of Yang, Buluç and Owens, "Design principles for sparse matrix multiplication
on the GPU", Euro-Par 2018. Where C has fewer columns than a warp has lanes, a row gets as many as
it has columns; where it has one, the product is one with a vector.

Rows are taken longest first, where their lengths differ much: rows of a block then end at about the
same time, and no long one begins last. This is the row swizzle of Gale, Zaharia, Young and Elsen,
"Sparse GPU kernels for deep learning", SC 2020, and so are the tiles along one dimension. A row
that is longer than all others together still keeps its warp busy when they have ended: on COO, and
in products with a vector, entries are shared evenly.

Each element is summed by one thread, entry after entry: the same bits as those of the loops, at
every call. Not yet run on a GPU.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Pattern
from minisparse.gpu import device_function, jit, thread_program
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.registers import Registers, put
from minisparse.kernels.spmm.threads import (
    MOST_ALONG_Y,
    THREADS,
    fitting,
    in_blocks,
    new_result,
    own_elements,
    why_not,
)
from minisparse.kernels.spmv import threads_csr as spmv
from minisparse.ops import Attrs

UNEVEN = 4
"""Rows are put in order where the longest is so many times as long as the mean."""
MOST_PARTS = 4
"""Columns of C that a lane owns at most; each entry of A that it gets it uses as often."""

wide: Any = np.float32
ordered = False
parts = 1


@thread_program
def spmm_row_per_lanes(
    data: Array,
    indices: Array,
    indptr: Array,
    order: Array,
    b: Array,
    c: Array,
    first: Array,
    second: Array,
    rows: int,
    columns: int,
) -> None:
    """Sum ``C[m, n]`` in the lane of column n, for C with fewer columns than a warp has lanes.

    A block has ``blockDim.y`` rows, each with ``blockDim.x`` lanes. All lanes of a row read the
    same entry at the same time, which is one access.
    """
    n = np.int32(jit.threadIdx.x)
    i = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    if i < rows and n < columns:
        m = i
        if ordered:
            m = order[i]
        total = wide(0)
        for p in range(indptr[m], indptr[m + 1]):
            total += wide(data[p]) * wide(b[indices[p], n])
        put(total, c, m, n, first, second)


@device_function
def put_inside(
    value: Any, c: Array, m: Any, n: Any, columns: Any, first: Array, second: Array
) -> None:
    """Finish and write an element, if it is one of C."""
    if n < columns:
        put(value, c, m, n, first, second)


@thread_program
def spmm_row_per_warp(
    data: Array,
    indices: Array,
    indptr: Array,
    order: Array,
    b: Array,
    c: Array,
    first: Array,
    second: Array,
    rows: int,
    columns: Any,
    tiles: int,
) -> None:
    """Sum a tile of row m of C in a warp; its lanes read 32 entries of A at once, and pass them on.

    ::

        entries           p     p+1   p+2   ...        lane j reads entry p + j: one access
        lane              0      1     2
        turn 0            a0 →   a0    a0              then lane 0 tells its entry to all,
        turn 1            a1  ←  a1 →  a1              then lane 1, and in each turn
                          C[m, n] += a * B[k, n]       every lane adds to what it owns

    A lane owns ``parts`` columns, which stand 32 apart, so that neighbors still read neighbors: the
    language has no loads of vectors, with which they would be neighboring ones of the same lane.
    Lanes beyond the last column work on that one, and write nothing.
    """
    lane = np.int32(jit.threadIdx.x)
    i = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    if i < rows:
        m = i
        if ordered:
            m = order[i]
        stop = indptr[m + 1]
        for tile in range(np.int32(jit.blockIdx.y), tiles, np.int32(jit.gridDim.y)):
            n = tile * (32 * parts) + lane
            n0 = min(n, columns - 1)
            n1 = min(n + 32, columns - 1)
            n2 = min(n + 64, columns - 1)
            n3 = min(n + 96, columns - 1)
            sum0 = wide(0)
            sum1 = wide(0)
            sum2 = wide(0)
            sum3 = wide(0)
            for chunk in range(indptr[m], stop, 32):
                p = min(chunk + lane, stop - 1)
                mine = wide(data[p])
                of_row = indices[p]
                for turn in range(min(32, stop - chunk)):
                    value = jit.shfl_sync(jit.FULL, mine, turn)
                    k = jit.shfl_sync(jit.FULL, of_row, turn)
                    sum0 += value * wide(b[k, n0])
                    if parts > 1:
                        sum1 += value * wide(b[k, n1])
                    if parts > 2:
                        sum2 += value * wide(b[k, n2])
                        sum3 += value * wide(b[k, n3])
            put_inside(sum0, c, m, n, columns, first, second)
            if parts > 1:
                put_inside(sum1, c, m, n + 32, columns, first, second)
            if parts > 2:
                put_inside(sum2, c, m, n + 64, columns, first, second)
                put_inside(sum3, c, m, n + 96, columns, first, second)


@dataclass(frozen=True, eq=False)
class Swizzled:
    """A matrix, and in which order its rows are taken.

    Attributes
    ----------
    rows : Assigned
        The matrix, and what its rows need where it meets a single column.
    order : ndarray of int32, shape (M,), or None
        Rows, longest first; None: as they are.
    """

    rows: spmv.Assigned
    order: Array | None

    @property
    def shape(self) -> tuple[int, int]:
        """``(M, K)``."""
        return self.rows.shape

    @property
    def dtype(self) -> DType:
        """The matrix's."""
        return self.rows.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix and of the order."""
        return self.rows.nbytes + (0 if self.order is None else self.order.nbytes)


def prepare(a: CSR, columns: int = 256) -> Swizzled:
    """Look at the lengths of the rows, and put them in order where they differ much."""
    rows = spmv.prepare(a)
    if rows.longest * a.shape[0] <= UNEVEN * a.nnz:
        return Swizzled(rows, None)
    lengths = a.indptr[1:] - a.indptr[:-1]
    return Swizzled(rows, (-lengths).argsort(kind="stable").astype(np.int32))


def prepare_once(a: CSR, columns: int = 256) -> Swizzled:
    """Look at the lengths of the rows: to sort them takes longer than it spares one product."""
    return Swizzled(spmv.prepare(a), None)


def by_lanes(a: Swizzled, b: Array, c: Array, own: Registers) -> None:
    """Launch as many lanes for each row as C has columns, which are at most 32."""
    (m, n), matrix, width = c.shape, a.rows.matrix, fitting(c.shape[1], jit.WARP)
    program = spmm_row_per_lanes.bind(
        wide=accumulator(c.dtype).type, put=own.put, ordered=a.order is not None
    )
    order = matrix.indptr if a.order is None else a.order
    high = fitting(m, THREADS // width)
    stored = (matrix.data, matrix.indices, matrix.indptr, order)
    args = (*stored, b, c, own.first, own.second, m, n)
    program((in_blocks(m, high),), (width, high), args)


def by_warps(a: Swizzled, b: Array, c: Array, own: Registers, width: int = 0) -> None:
    """Launch a warp for each row and tile of ``width`` columns: 32, 64 or 128, or 0 for as fits."""
    (m, n), matrix = c.shape, a.rows.matrix
    each = width // jit.WARP or fitting(in_blocks(n, jit.WARP), MOST_PARTS)
    program = spmm_row_per_warp.bind(
        wide=accumulator(c.dtype).type,
        put_inside=put_inside.bind(put=own.put),
        ordered=a.order is not None,
        parts=each,
    )
    order = matrix.indptr if a.order is None else a.order
    high, tiles = fitting(m, THREADS // jit.WARP), in_blocks(n, jit.WARP * each)
    stored = (matrix.data, matrix.indices, matrix.indptr, order)
    args = (*stored, b, c, own.first, own.second, m, n, tiles)
    program((in_blocks(m, high), min(tiles, MOST_ALONG_Y)), (jit.WARP, high), args)


def multiply(a: Swizzled, b: Array, c: Array, own: Registers) -> None:
    """Write ``A @ B`` to c, which has elements, in the way that suits its columns."""
    if c.shape[1] == 1:
        spmv.multiply(a.rows, b[:, 0], c, own)
    elif c.shape[1] < jit.WARP:
        by_lanes(a, b, c, own)
    else:
        by_warps(a, b, c, own)


def run(a: Swizzled, b: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ B`` for B ``[K, N]``, in the way that suits N."""
    c = new_result(a, b, (a.shape[0], b.shape[1]), out)
    return own_elements(c, finish, lambda own: multiply(a, b, c, own))


def row_per_lanes(a: CSR, b: Array, finish: Finish | None = None) -> Array:
    """Return ``A @ B``: :func:`spmm_row_per_lanes`.

    Raises
    ------
    UsageError
        If B has more columns than a warp has lanes, 32.
    """
    if b.shape[1] > jit.WARP:
        raise UsageError(f"row_per_lanes: B has {b.shape[1]} columns, and a row has 32 lanes")
    c = new_result(a, b, (a.shape[0], b.shape[1]), None)
    return own_elements(c, finish, partial(by_lanes, prepare(a), b, c))


def row_per_warp(a: CSR, b: Array, finish: Finish | None = None, width: int = 0) -> Array:
    """Return ``A @ B``: :func:`spmm_row_per_warp`, in tiles of ``width`` columns.

    Raises
    ------
    UsageError
        If ``width`` is not 32, 64 or 128, or 0 for as fits.
    """
    if width not in (0, 32, 64, 128):
        raise UsageError(f"row_per_warp: width is {width}: it must be 32, 64 or 128, or 0")
    c = new_result(a, b, (a.shape[0], b.shape[1]), None)
    return own_elements(c, finish, partial(by_warps, prepare(a), b, c, width=width))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does: A once for each tile, a row of B for each entry, and C."""
    a, b = types
    m, n = a.dims[0], b.dims[1]
    if n == 1:
        return spmv.work(pattern, (a, TensorType(b.shape[:1], b.dtype)))
    tiles = in_blocks(n, jit.WARP * MOST_PARTS)
    indices = float(tiles * (a.nnz + m + 1) * a.index_itemsize)
    return Work(
        flops=2.0 * a.nnz * n,
        bytes=indices + tiles * a.nnz * a.itemsize + float(a.nnz + m) * n * b.itemsize,
        gathered=float(a.nnz * n),
        unit="elementwise",
        indices=indices,
        rows=float(tiles * m),
    )


GPU = Level(run, prepare, work, fuses=True, prepare_once=prepare_once, why_not=why_not)
