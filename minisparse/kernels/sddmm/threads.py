"""SDDMM by threads: a lane for each stored entry, and some lanes for each dot.

``c[p] = data[p] * (X[m] . Y[:, n])`` needs to know of an entry only where it stands. So one program
serves all formats, and each says in two functions of a line or two how the row and the column of
slot p are found: looked up, searched for, or reckoned.

A warp takes 32 neighboring entries, whichever rows they are in, so that long rows are no more work
for anyone than short ones; what a row search costs is shared by as many multiply-adds as X has
columns. Sums are made in an order that D alone decides: the same bits at every call. After Gale,
Zaharia, Young and Elsen, "Sparse GPU kernels for deep learning", SC 2020, section 5.4. Not yet run
on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix, Pattern
from minisparse.gpu import DeviceFunction, device_function, jit, thread_program
from minisparse.kernels.cells import with_values
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.primitives.dots import dot_of_rows, lanes_for
from minisparse.kernels.primitives.launch import blocks_for, counter, in_c_order, why_not
from minisparse.kernels.primitives.search import line_of
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import Attrs

THREADS = 128
"""Of a block: four warps."""

Place = DeviceFunction[..., Any]
"""``place(lines, numbers, p)``: the row, or the column, of slot p. ``lines`` and ``numbers`` are
the format's arrays: pointers and indices, or rows and columns."""
wide: Any = np.float32
narrow: Any = np.float32
height = width = 1
"""Of a block of BSR."""
kept, group = 2, 4
"""Of n:m: n and m."""


@device_function
def line_stored(lines: Array, numbers: Array, p: Any) -> Any:
    """Return the row that COO stores."""
    return np.int64(lines[p])


@device_function
def number_stored(lines: Array, numbers: Array, p: Any) -> Any:
    """Return the column that COO and CSR store."""
    return np.int64(numbers[p])


@device_function
def line_searched(lines: Array, numbers: Array, p: Any) -> Any:
    """Return the row in whose slots p is, from CSR's pointers."""
    return line_of(lines, p)


@device_function
def row_in_block(lines: Array, numbers: Array, p: Any) -> Any:
    """Return the row of BSR's element p: block p // (r * c) is searched for, as a row of CSR is."""
    size = height * width
    return line_of(lines, p // size) * height + p % size // width


@device_function
def column_in_block(lines: Array, numbers: Array, p: Any) -> Any:
    """Return the column of BSR's element p."""
    return np.int64(numbers[p // (height * width)]) * width + p % width


@device_function
def row_of_groups(lines: Array, numbers: Array, p: Any) -> Any:
    """Return the row of n:m's element p: all rows have equally many."""
    return np.int64(p // numbers.shape[1])


@device_function
def column_of_group(lines: Array, numbers: Array, p: Any) -> Any:
    """Return the column of n:m's element p: where its group begins, and the position in it."""
    slots = numbers.shape[1]
    slot = p % slots
    return np.int64(slot // kept * group + np.int64(numbers[p // slots, slot]))


row_of: Place = line_searched
column_of: Place = number_stored


@thread_program
def sampled_dots(
    lines: Array, numbers: Array, data: Array, x: Array, y: Array, c: Array, count: Any
) -> None:
    """Write ``data[p] * (x[m] . y[n])`` for every entry p, in row m and column n.

    ::

        warp 0: entries 0 … 31       lane i finds row and column of entry i, then all lanes help
        warp 1: entries 32 … 63      with the dots, a group of them with one; lane i writes c[i]

    Lanes beyond the last entry help as if they had that one. Elements of blocks and groups beyond
    the edge of the matrix become 0.

    Parameters
    ----------
    lines, numbers : ndarray of int
        The format's arrays: see :data:`Place`.
    data, c : ndarray, shape (nnz,)
        Stored values, and the result's.
    x, y : ndarray, shape (M, D), (N, D)
        Rows that meet: of X, and of Y's transpose.
    count : int
        nnz, in a dtype that a grid's step beyond it fits.
    """
    lane = np.int32(jit.laneid())
    first = np.int32(jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x) - lane
    for warp in range(first, count, np.int32(jit.gridDim.x * jit.blockDim.x)):
        p = min(warp + lane, count - 1)
        m = row_of(lines, numbers, p)
        n = column_of(lines, numbers, p)
        inside = m < len(x) and n < len(y)
        dot = dot_of_rows(x, min(m, len(x) - 1), y, min(n, len(y) - 1))
        if warp + lane < count:
            c[p] = narrow(dot * wide(data[p]) if inside else wide(0))


def sample(
    a: Matrix,
    arrays: tuple[Array, Array],
    x: Array,
    y: Array,
    places: dict[str, Any],
) -> Matrix:
    """Return the matrix with A's positions and the sampled values.

    Parameters
    ----------
    a : Matrix
        A.
    arrays : tuple of ndarray
        ``lines`` and ``numbers`` of :data:`Place`.
    x, y : ndarray, shape (M, D), (N, D)
        Rows of the left factor, columns of the right one. They are copied unless in C order: a
        group of lanes would read far apart otherwise, once for each entry.
    places : dict
        What ``row_of`` and ``column_of`` are, and sizes that they use.
    """
    data = in_c_order(a.data).reshape(-1)
    dtype = np.result_type(a.dtype, x.dtype, y.dtype)
    c = namespace(a.data).empty(data.shape, dtype)
    if len(c):
        wide = wide_dtype(dtype).type
        dot = dot_of_rows.bind(wide=wide, lanes=lanes_for(x.shape[1]))
        program = sampled_dots.bind(wide=wide, narrow=dtype.type, dot_of_rows=dot, **places)
        blocks = blocks_for(len(c), THREADS)
        count = counter(len(c), blocks * THREADS)
        program((blocks,), (THREADS,), (*arrays, data, in_c_order(x), in_c_order(y), c, count))
    return with_values(a, c.reshape(a.data.shape))


def of_csr(a: CSR, x: Array, y: Array) -> Matrix:
    """Search the row of each entry, and look up its column."""
    places = {"row_of": line_searched, "column_of": number_stored}
    return sample(a, (a.indptr, a.indices), x, y.T, places)


def of_csc(a: CSC, x: Array, y: Array) -> Matrix:
    """Do as for CSR, of the transpose."""
    places = {"row_of": line_searched, "column_of": number_stored}
    return sample(a, (a.indptr, a.indices), y.T, x, places)


def of_coo(a: COO, x: Array, y: Array) -> Matrix:
    """Look up the row and the column of each entry."""
    places = {"row_of": line_stored, "column_of": number_stored}
    return sample(a, (a.row, a.col), x, y.T, places)


def of_bsr(a: BSR, x: Array, y: Array) -> Matrix:
    """Search the block row of each element, and look up its block column."""
    r, c = a.block
    row, column = row_in_block.bind(height=r, width=c), column_in_block.bind(height=r, width=c)
    places = {"row_of": row, "column_of": column}
    return sample(a, (a.indptr, a.indices), x, y.T, places)


def of_nm(a: NM, x: Array, y: Array) -> Matrix:
    """Reckon the row of each element, and its column from the position in its group."""
    positions = in_c_order(a.positions)
    places = {"row_of": row_of_groups, "column_of": column_of_group.bind(kept=a.n, group=a.m)}
    return sample(a, (positions, positions), x, y.T, places)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what one launch does: a row of X and a column of Y for each stored value."""
    a, x, y = types
    terms, indices = float(a.nnz * x.dims[1]), 2.0 * a.nnz * a.index_itemsize
    return Work(
        flops=2 * terms + a.nnz,
        bytes=indices + 2 * a.nnz * a.itemsize + terms * (x.itemsize + y.itemsize),
        gathered=2 * terms,
        unit="elementwise",
        indices=indices,
    )


GPU_CSR = Level(of_csr, work=work, why_not=why_not)
GPU_CSC = Level(of_csc, work=work, why_not=why_not)
GPU_COO = Level(of_coo, work=work, why_not=why_not)
GPU_BSR = Level(of_bsr, work=work, why_not=why_not)
GPU_NM = Level(of_nm, work=work, why_not=why_not)
