"""SpGEMM on CSR by threads: first how many cells each row of C has, then their sums.

Row m of C is a weighted sum of rows of B (Gustavson, ACM TOMS 4(3), 1978). A warp makes it: entries
of A's row one after another, the lanes side by side along the row of B that each names::

    A's row m    k=2        k=7                      lanes   0 1 2 3 4 …
    B's row 2    n n n n n          → table          each finds its column's slot,
    B's row 7               n n n   → table          and adds its product there

The table is in shared memory, and as large as the row may need (:mod:`.tables`); rows that may have
more cells than the largest holds get a plain row of N cells in memory, and a block of threads
(:mod:`.long_rows`). How many cells that may be is known beforehand: no more than there are
products, and no more than N. The first launch counts (the *symbolic* phase); then a scan of the
counts says where rows start, C is allocated, and the second launch sums (the *numeric* one). After
Nagasaka, Nukada and Matsuoka, "High-performance and memory-saving sparse general matrix-matrix
multiplication for NVIDIA Pascal GPU", ICPP 2017.

Two products of one entry of A meet in a cell only if B stores that cell twice. Where B does not,
each sum is made in the order of A's entries, which the launch does not change: the same bits
at every call, and those of the loops. Where it does, lanes add atomically, in any order. Not yet
run on a GPU.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.index import index_dtype
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import CSC, CSR, Pattern
from minisparse.formats.compressed import Compressed
from minisparse.gpu import ThreadProgram, jit, thread_program
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.primitives import launch
from minisparse.kernels.primitives.launch import blocks_for, counter, each, in_c_order
from minisparse.kernels.primitives.scan import exclusive_scan
from minisparse.kernels.primitives.shuffles import group_sum
from minisparse.kernels.spgemm import long_rows
from minisparse.kernels.spgemm.bound import rows_of
from minisparse.kernels.spgemm.expected import expected_products, expected_stored
from minisparse.kernels.spgemm.tables import (
    FREE,
    add_alone,
    add_together,
    clear,
    slot_of,
    sort_table,
)
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import Attrs

SLOTS = (8, 32, 128, 512, 2048, 4096)
"""Of tables; the largest, with sums in 64 bits, fills the 48 kB that a block may have."""
FULL = 0.5
"""Share of its slots that a table holds: with more, columns have to be looked for too long."""
LAUNCHES = 50.0
"""Of everything that is done for a product of matrices whose rows are of every length."""

wide: Any = np.float32
narrow: Any = np.float32
add: Any = add_alone
slots = 64
"""Of a table; a power of two."""
warps = 4
"""Of a block, each with a table."""


@thread_program
def count_products(
    a_indptr: Array, a_indices: Array, b_indptr: Array, products: Array, rows: Any
) -> None:
    """Write how many products each row of C is made of: a thread for each row."""
    for m in range(np.int32(jit.grid(1)), rows, np.int32(jit.gridDim.x * jit.blockDim.x)):
        found = np.int64(0)
        for p in range(a_indptr[m], a_indptr[m + 1]):
            k = a_indices[p]
            found += np.int64(b_indptr[k + 1] - b_indptr[k])
        products[m] = found


@thread_program
def count_cells(
    rows: Array,
    a_indptr: Array,
    a_indices: Array,
    b_indptr: Array,
    b_indices: Array,
    counts: Array,
    count: Any,
) -> None:
    """Write how many cells some rows of C have: a warp for each of ``rows``, and a table."""
    keys = jit.shared_memory(np.int32, warps * slots)
    lane = np.int32(jit.laneid())
    warp = np.int32(jit.threadIdx.x) // jit.WARP
    table = warp * slots
    first = np.int32(jit.blockIdx.x) * warps + warp
    for i in range(first, count, np.int32(jit.gridDim.x) * warps):
        m = rows[i]
        clear(keys, table)
        jit.syncwarp()
        for p in range(a_indptr[m], a_indptr[m + 1]):
            k = a_indices[p]
            for q in range(b_indptr[k] + lane, b_indptr[k + 1], jit.WARP):
                slot_of(keys, table, np.int32(b_indices[q]))
        jit.syncwarp()
        found = np.int32(0)
        for slot in range(lane, slots, jit.WARP):
            if keys[table + slot] != FREE:
                found += np.int32(1)
        found = group_sum(found, np.int32(jit.WARP))
        if lane == 0:
            counts[m] = found
        jit.syncwarp()


@thread_program
def sum_cells(
    rows: Array,
    a_indptr: Array,
    a_indices: Array,
    a_data: Array,
    b_indptr: Array,
    b_indices: Array,
    b_data: Array,
    indptr: Array,
    indices: Array,
    data: Array,
    count: Any,
) -> None:
    """Write columns and sums of some rows of C: a warp for each of ``rows``, and a table.

    Before the next entry of A all lanes wait: its row of B may have the same columns.
    """
    keys = jit.shared_memory(np.int32, warps * slots)
    sums = jit.shared_memory(wide, warps * slots)
    lane = np.int32(jit.laneid())
    warp = np.int32(jit.threadIdx.x) // jit.WARP
    table = warp * slots
    first = np.int32(jit.blockIdx.x) * warps + warp
    for i in range(first, count, np.int32(jit.gridDim.x) * warps):
        m = rows[i]
        clear(keys, table)
        for slot in range(lane, slots, jit.WARP):
            sums[table + slot] = wide(0)
        jit.syncwarp()
        for p in range(a_indptr[m], a_indptr[m + 1]):
            k = a_indices[p]
            weight = wide(a_data[p])
            for q in range(b_indptr[k] + lane, b_indptr[k + 1], jit.WARP):
                at = slot_of(keys, table, np.int32(b_indices[q]))
                add(sums, at, weight * wide(b_data[q]))
            jit.syncwarp()
        sort_table(keys, sums, table)
        start = indptr[m]
        for cell in range(lane, indptr[m + 1] - start, jit.WARP):
            indices[start + cell] = keys[table + cell]
            data[start + cell] = narrow(sums[table + cell])
        jit.syncwarp()


class Bin(NamedTuple):
    """Rows that need tables of the same size.

    Attributes
    ----------
    rows : ndarray of int
        Which.
    slots : int
        Of a table; 0 for rows that no table holds.
    """

    rows: Array
    slots: int


def bins(cells: Array) -> list[Bin]:
    """Return rows by the size of the table that holds so many cells of each; none without cells.

    How many rows there are of each kind is asked of the device, all at once.

    Parameters
    ----------
    cells : ndarray of int, shape (M,)
        How many cells each row has, or may have.

    Examples
    --------
    >>> bins(np.array([4, 0, 5, 1]))
    [Bin(rows=array([0, 3]), slots=8), Bin(rows=array([2]), slots=32)]
    """
    xp = namespace(cells)
    limits = [0, *(int(slots * FULL) for slots in SLOTS)]
    kind = xp.zeros(len(cells), np.int32)
    for limit in limits:
        kind += cells > limit
    rows = xp.argsort(kind, kind="stable")
    starts = xp.searchsorted(kind[rows], xp.arange(1, len(limits) + 1, dtype=np.int32)).tolist()
    sized = zip((*SLOTS, 0), starts, [*starts[1:], len(rows)], strict=True)
    return [Bin(rows[start:stop], slots) for slots, start, stop in sized if start < stop]


def products_of_rows(a: Compressed, b: Compressed) -> Array:
    """Return how many products each row of C is made of, by :func:`count_products`."""
    rows = len(a.indptr) - 1
    products: Array = namespace(a.data).zeros(rows, np.int64)
    if rows:
        grid, block, count = each(rows)
        count_products(grid, block, (a.indptr, a.indices, b.indptr, products, count))
    return products


def cells_of_rows(a: Compressed, b: Compressed, columns: int) -> Array:
    """Return how many cells each row of C has."""
    xp = namespace(a.data)
    products = products_of_rows(a, b)
    counts: Array = xp.zeros(len(products), np.int32)
    for rows, slots in bins(xp.minimum(products, columns)):
        args = (rows, a.indptr, a.indices, b.indptr, b.indices)
        if slots:
            _launch(count_cells.bind(**_in_tables(slots)), (*args, counts))
        else:
            long_rows.count(args, counts, columns)
    return counts


def multiply(
    a: Compressed, b: Compressed, columns: int, dtype: DType, distinct: bool
) -> Compressed:
    """Return A @ B for A and B in CSR's arrays, columns sorted in each row.

    Asked of the device are how many cells C has and, twice, how many rows need which table.

    Parameters
    ----------
    a, b : Compressed
        In any order within a row, duplicates and all.
    columns : int
        N.
    dtype : numpy.dtype
        Of C.
    distinct : bool
        Whether no row of B stores a column twice.
    """
    xp, rows = namespace(a.data), len(a.indptr) - 1
    counts = cells_of_rows(a, b, columns)
    indptr = exclusive_scan(counts, np.dtype(np.int64))
    stored = int(indptr[-1])
    indices = xp.empty(stored, index_dtype((rows, columns), stored))
    data, wide = xp.empty(stored, dtype), wide_dtype(dtype)
    # A card adds no int64 atomically, but uint64, which gives the same bits.
    summed = np.dtype(np.uint64) if wide == np.int64 and not distinct else wide
    of_a, of_b = ((x.indptr, x.indices, in_c_order(x.data)) for x in (a, b))
    names = {"wide": summed.type, "add": add_alone if distinct else add_together}
    for some, slots in bins(counts):
        args = (some, *of_a, *of_b, indptr, indices, data)
        if slots:
            tables = _in_tables(slots) | {"sort_table": sort_table.bind(slots=slots)}
            _launch(sum_cells.bind(narrow=dtype.type, **names, **tables), args)
        else:
            long_rows.add_up(args, columns, narrow=dtype.type, **names)
    return Compressed(data, indices, indptr)


def _in_tables(slots: int) -> dict[str, Any]:
    """Return what programs are bound to for tables of some size."""
    return {
        "slots": slots,
        "warps": max(1, min(4, SLOTS[-1] // slots)),
        "slot_of": slot_of.bind(slots=slots),
        "clear": clear.bind(slots=slots),
    }


def _launch(program: ThreadProgram, args: tuple[Any, ...]) -> None:
    """Launch a program that takes a warp for each of some rows, its first argument."""
    rows, warps = len(args[0]), program.names["warps"]
    blocks = blocks_for(rows, warps)
    threads = min(warps, rows) * jit.WARP if blocks == 1 else warps * jit.WARP
    program((blocks,), (threads,), (*args, counter(rows, blocks * warps)))


def run(a: CSR, b: CSR) -> CSR:
    """Return A @ B, rows sorted; a cell whose products cancel stays stored."""
    dtype = np.result_type(a.dtype, b.dtype)
    found = multiply(rows_of(a), rows_of(b), b.shape[1], dtype, b.has_canonical_format)
    return CSR._trusted((a.shape[0], b.shape[1]), **found._asdict())


def run_by_columns(a: CSC, b: CSC) -> CSC:
    """Return A @ B: CSC of a matrix is CSR of its transpose, and ``C.T = B.T @ A.T``."""
    dtype = np.result_type(a.dtype, b.dtype)
    found = multiply(rows_of(b), rows_of(a), a.shape[0], dtype, a.has_canonical_format)
    return CSC._trusted((a.shape[0], b.shape[1]), **found._asdict())


def why_not(types: Sequence[TensorType]) -> str:
    """Return why threads cannot multiply matrices of these types, or nothing."""
    longest = max((dim for t in types for dim in t.shape if isinstance(dim, int)), default=0)
    if longest >= FREE:
        return f"tables hold columns in 32 bits, and there are {longest}"
    return launch.why_not(types)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the products to expect cost: their columns are read twice, their values once."""
    a, b = types
    products, stored = expected_products(a, b), expected_stored(a, b)
    indices = (3 * a.nnz + 2 * products + stored) * a.index_itemsize
    moved = indices + (a.nnz + products) * b.itemsize + stored * b.itemsize
    return Work(2 * products, moved, 2 * products, LAUNCHES, unit="elementwise", indices=indices)


GPU_CSR = Level(run, work=work, why_not=why_not)
GPU_CSC = Level(run_by_columns, work=work, why_not=why_not)
