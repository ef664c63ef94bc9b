"""SpMV on CSR by threads, three ways: a row per thread, a row per warp, and pieces of equal size.

Which is best follows from the lengths of the rows. Short rows: a thread each. Longer ones: some
lanes of a warp each, which read neighboring entries at once. Rows of very different lengths: the
entries are cut into equal pieces wherever rows begin, :mod:`minisparse.kernels.spmv.merge_path`.

All sums are made in an order that the matrix alone decides: the same bits at every call. Not yet
run on a GPU.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.registers import Registers, put
from minisparse.kernels.spmm.threads import THREADS, fitting, in_blocks, why_not
from minisparse.kernels.spmv.lanes import by_lanes, lanes_for, own_vector, sum_of_lanes
from minisparse.kernels.spmv.merge_path import ITEMS, by_merging
from minisparse.ops import Attrs

LONG = 4096
"""Up to so many entries a row keeps one warp busy no longer than a launch takes anyway."""
UNEVEN = 16
"""A longer row counts as one of another kind, if it is so many times as long as the mean."""
MERGE = 0
"""In the place of a number of lanes: pieces of equal size."""

wide: Any = np.float32
lanes = jit.WARP


@thread_program
def spmv_row_per_thread(
    data: Array,
    indices: Array,
    indptr: Array,
    x: Array,
    y: Array,
    first: Array,
    second: Array,
    rows: int,
) -> None:
    """Sum row m of A times x in thread m, entry after entry.

    ::

        thread   0 | row 0   a a a          each thread walks along its own row: at one time
                 1 | row 1   a              neighbors read entries that lie a row apart
                 2 | row 2   a a

    The scalar kernel of Bell and Garland, SC 2009.
    """
    m = np.int32(jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x)
    if m < rows:
        total = wide(0)
        for p in range(indptr[m], indptr[m + 1]):
            total += wide(data[p]) * wide(x[indices[p]])
        put(total, y, m, 0, first, second)


@thread_program
def spmv_row_per_warp(
    data: Array,
    indices: Array,
    indptr: Array,
    x: Array,
    y: Array,
    first: Array,
    second: Array,
    rows: int,
) -> None:
    """Sum row m of A times x in the lanes of a warp, or in as many as a short row keeps busy.

    ::

        row m    a  a  a  a  a  a  a  a  a      lanes read neighboring entries at once,
        lane     0  1  2  3  0  1  2  3  0      each adds every fourth
                 └──┴──┼──┘                     then half of them add what the others have:
                  + 2  │                        2 to 0 and 3 to 1,
                  + 1  ┘                        and 1 to 0, which writes

    The vector kernel of Bell and Garland, SC 2009. A block has ``blockDim.y`` rows; threads beyond
    the last row take part in the exchange, with zeros, as all lanes of a warp must.
    """
    lane = np.int32(jit.threadIdx.x)
    m = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    total = wide(0)
    if m < rows:
        for p in range(indptr[m] + lane, indptr[m + 1], lanes):
            total += wide(data[p]) * wide(x[indices[p]])
    total = sum_of_lanes(total)
    if lane == 0 and m < rows:
        put(total, y, m, 0, first, second)


@dataclass(frozen=True, eq=False)
class Assigned:
    """A matrix, and how many lanes each of its rows gets.

    Attributes
    ----------
    matrix : CSR
        As it is; nothing is packed.
    lanes : int
        A power of two up to 32; or :data:`MERGE`.
    longest : int
        Entries of the longest row.
    """

    matrix: CSR
    lanes: int
    longest: int

    @property
    def shape(self) -> tuple[int, int]:
        """``(M, K)``."""
        return self.matrix.shape

    @property
    def dtype(self) -> DType:
        """The matrix's."""
        return self.matrix.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix."""
        return self.matrix.nbytes


def prepare(a: CSR, columns: int = 1) -> Assigned:
    """Look at the lengths of the rows; see :func:`choose_lanes`."""
    longest = int((a.indptr[1:] - a.indptr[:-1]).max()) if a.shape[0] else 0
    return Assigned(a, choose_lanes(a.nnz, a.shape[0], longest), longest)


def choose_lanes(entries: int, rows: int, longest: int) -> int:
    """Return how many lanes a row gets: about half as many as it has entries, or :data:`MERGE`.

    Examples
    --------
    >>> [choose_lanes(100 * mean, 100, longest=2 * mean) for mean in (1, 4, 10, 500)]
    [1, 2, 8, 32]
    >>> choose_lanes(100_000, 10_000, longest=50_000)
    0
    """
    mean = entries / max(rows, 1)
    if longest > max(LONG, UNEVEN * mean):
        return MERGE
    return lanes_for(in_blocks(entries, max(rows, 1)))


def by_threads(a: CSR, x: Array, y: Array, own: Registers) -> None:
    """Launch a thread for each row; ``y`` is ``[M, 1]``."""
    m = a.shape[0]
    program = spmv_row_per_thread.bind(wide=accumulator(y.dtype).type, put=own.put)
    threads = fitting(m, THREADS)
    args = (a.data, a.indices, a.indptr, x, y, own.first, own.second, m)
    program((in_blocks(m, threads),), (threads,), args)


def by_warps(a: CSR, x: Array, y: Array, own: Registers, width: int) -> None:
    """Launch ``width`` lanes for each row, a power of two from 2 to 32; ``y`` is ``[M, 1]``."""
    m = a.shape[0]
    args = (a.data, a.indices, a.indptr, x, y, own.first, own.second, m)
    by_lanes(spmv_row_per_warp.bind(put=own.put), args, m, width, y.dtype)


def multiply(a: Assigned, x: Array, y: Array, own: Registers) -> None:
    """Write ``A @ x`` to ``y``, which is ``[M, 1]``, in the way that suits the rows."""
    if a.lanes == MERGE:
        by_merging(a.matrix, x, y, own)
    elif a.lanes == 1:
        by_threads(a.matrix, x, y, own)
    else:
        by_warps(a.matrix, x, y, own, a.lanes)


def run(a: Assigned, x: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ x`` for x ``[K]``, in the way that suits the rows."""
    return own_vector(a, x, out, finish, multiply)


def row_per_thread(
    a: CSR, x: Array, out: Array | None = None, finish: Finish | None = None
) -> Array:
    """Return ``A @ x``: :func:`spmv_row_per_thread`."""
    return own_vector(a, x, out, finish, by_threads)


def row_per_warp(
    a: CSR, x: Array, out: Array | None = None, finish: Finish | None = None, width: int = jit.WARP
) -> Array:
    """Return ``A @ x``: :func:`spmv_row_per_warp`, with ``width`` lanes for a row.

    Raises
    ------
    UsageError
        If ``width`` is not 2, 4, 8, 16 or 32.
    """
    if width not in (2, 4, 8, 16, 32):
        raise UsageError(f"row_per_warp: width is {width}: it must be 2, 4, 8, 16 or 32")
    return own_vector(a, x, out, finish, partial(by_warps, width=width))


def equal_pieces(
    a: CSR,
    x: Array,
    out: Array | None = None,
    finish: Finish | None = None,
    threads: int = THREADS,
    items: int = ITEMS,
) -> Array:
    """Return ``A @ x``: by merge paths, of ``items`` steps for each of a block's ``threads``.

    Raises
    ------
    UsageError
        If ``threads`` is no power of two up to 1024, or ``items`` is not positive.
    """
    if threads.bit_count() != 1 or not 1 <= threads <= 1024 or items < 1:
        raise UsageError(
            f"equal_pieces: {threads} threads of {items} items: there must be a power of two of "
            f"threads, up to 1024, with one item or more"
        )
    return own_vector(a, x, out, finish, partial(by_merging, threads=threads, items=items))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does: A, an element of x for each entry, and y."""
    a, x = types
    (m, _), nnz = a.dims, a.nnz
    longest = int(pattern.row_counts.max(initial=0))
    merged = choose_lanes(nnz, m, longest) == MERGE
    indices = float((nnz + m + 1) * a.index_itemsize)
    return Work(
        flops=2.0 * nnz,
        bytes=indices + nnz * (a.itemsize + x.itemsize) + m * x.itemsize,
        gathered=float(nnz),
        calls=2.0 if merged else 1.0,
        unit="elementwise",
        indices=indices,
        rows=float(m),
        way="equal pieces" if merged else "rows",
    )


GPU = Level(run, prepare, work, fuses=True, why_not=why_not)
