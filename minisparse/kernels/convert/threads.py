"""COO to CSR, CSR to CSC and back, by threads: sort, count, scan.

COO to CSR sorts cells and then adds up those that are stored twice::

    cells    (1,0) (0,2) (1,0) (0,1)       in stored order
    sorted   (0,1) (0,2) (1,0) (1,0)       stable: equal cells in stored order
    first      1     1     1     0         whether the cell differs from the one before
    place      0     1     2    (3)        running sums: where in CSR the cell goes
    row starts 0           2         3     found among the sorted rows

The thread of a cell's first entry adds those that follow, one by one in stored order: the same bits
as :func:`minisparse.formats.compressed.sum_runs` gives.

CSR to CSC counts how many entries each column has, all threads at once by atomic addition; the scan
of the counts says where columns start. Where an entry goes within its column is how many of that
column were before it: counted by the stable sort of columns, a digit at a time. Rows ascend in
each column then, because they did in CSR.

Sort and scan: :mod:`minisparse.kernels.primitives.sort`, :mod:`minisparse.kernels.primitives.scan`.
Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.index import index_dtype
from minisparse.core.xp import namespace
from minisparse.formats import COO, CSC, CSR, Matrix
from minisparse.formats.compressed import Compressed
from minisparse.gpu import jit, thread_program
from minisparse.kernels.convert.dense import vectorized
from minisparse.kernels.kernel import Level
from minisparse.kernels.primitives.launch import each, in_c_order, why_not
from minisparse.kernels.primitives.scan import exclusive_scan
from minisparse.kernels.primitives.search import lines_of_slots, starts_of_lines
from minisparse.kernels.primitives.sort import cell_order, sorted_keys

wide: Any = np.float32
narrow: Any = np.float32
number: Any = np.int32


@thread_program
def mark_firsts(major: Array, minor: Array, first: Array, count: Any) -> None:
    """Write 1 where a sorted entry's cell is not that of the one before: a thread for each."""
    step = np.int32(jit.gridDim.x * jit.blockDim.x)
    for p in range(np.int32(jit.grid(1)), count, step):
        first[p] = np.int32(1)
        if p > 0 and major[p] == major[p - 1] and minor[p] == minor[p - 1]:
            first[p] = np.int32(0)


@thread_program
def sum_runs(
    major: Array,
    minor: Array,
    data: Array,
    place: Array,
    lines: Array,
    indices: Array,
    sums: Array,
    count: Any,
) -> None:
    """Write line, index and sum of each run of equal cells: the thread of its first entry does.

    Parameters
    ----------
    major, minor, data : ndarray, shape (nnz,)
        Sorted entries.
    place : ndarray of int, shape (nnz + 1,)
        How many runs begin before each entry.
    lines, indices, sums : ndarray
        What is written, for each run. A sum is kept in memory while it grows, which rounds it to
        its dtype at each step, as adding in that dtype does.
    count : int
        nnz, in a dtype that a grid's step beyond it fits.
    """
    step = np.int32(jit.gridDim.x * jit.blockDim.x)
    for p in range(np.int32(jit.grid(1)), count, step):
        run = place[p]
        if place[p + 1] > run:
            lines[run] = major[p]
            indices[run] = minor[p]
            sums[run] = data[p]
            q = p + 1
            while q < count and place[q + 1] == place[q]:
                sums[run] = narrow(wide(sums[run]) + wide(data[q]))
                q += 1


@thread_program
def count_lines(lines: Array, counts: Array, count: Any) -> None:
    """Count how many entries each line has: a thread for each entry adds 1 to its line's count."""
    step = np.int32(jit.gridDim.x * jit.blockDim.x)
    for p in range(np.int32(jit.grid(1)), count, step):
        jit.atomic_add(counts, lines[p], number(1))


def starts_by_counting(lines: Array, count: int) -> Array:
    """Return where each of so many lines starts, given the lines of entries in any order.

    Examples
    --------
    >>> starts_by_counting(np.array([2, 0, 2]), 3)
    array([0, 1, 1, 3], dtype=int32)
    """
    dtype = index_dtype((len(lines),), 0)
    # A card adds no int64 atomically, but uint64, which gives the same bits.
    counted = np.dtype(np.uint64) if dtype == np.int64 else dtype
    counts = namespace(lines).zeros(count, counted)
    if len(lines):
        grid, block, length = each(len(lines))
        count_lines.bind(number=counted.type)(grid, block, (lines, counts, length))
    return exclusive_scan(counts.view(dtype), dtype)


def compress(major: Array, minor: Array, data: Array, sizes: tuple[int, int]) -> Compressed:
    """Sort entries by major, then minor line, sum duplicates in stored order, and compress.

    :func:`minisparse.formats.compressed.compress` by threads.

    Parameters
    ----------
    major, minor : ndarray of int, shape (nnz,)
        Coordinates of the entries, valid and in any order.
    data : ndarray, shape (nnz,)
        Their values.
    sizes : tuple of int
        Numbers of major and minor lines.

    Examples
    --------
    >>> compress(np.array([1, 0, 1]), np.array([2, 1, 2]), np.array([1.0, 2.0, 3.0]), (2, 3))
    Compressed(data=array([2., 4.]), indices=array([1, 2]), indptr=array([0, 1, 2]))
    """
    xp, count = namespace(data), len(data)
    order = cell_order(major, minor, sizes)
    major, minor, data = major[order], minor[order], data[order]
    if count:
        grid, block, length = each(count)
        first = xp.empty(count, np.int32)
        mark_firsts(grid, block, (major, minor, first, length))
        place = exclusive_scan(first, order.dtype)
        runs = int(place[-1])  # one number is asked of the device
        if runs < count:
            merged = xp.empty(runs, major.dtype), xp.empty(runs, minor.dtype)
            sums = xp.empty(runs, data.dtype)
            program = sum_runs.bind(wide=accumulator(data.dtype).type, narrow=data.dtype.type)
            program(grid, block, (major, minor, data, place, *merged, sums, length))
            (major, minor), data = merged, sums
    return Compressed(data, minor, starts_of_lines(major, sizes[0]))


def turn(entries: Compressed, minors: int) -> Compressed:
    """Compress the other way: CSR's arrays become CSC's, or CSC's become CSR's.

    :func:`minisparse.formats.compressed.turn` by threads.

    Parameters
    ----------
    entries : Compressed
        With 1-D data.
    minors : int
        Number of the new lines.

    Examples
    --------
    >>> turn(Compressed(np.array([1.0, 2.0]), np.array([2, 0]), np.array([0, 2])), 3)
    Compressed(data=array([2., 1.]), indices=array([0, 0]), indptr=array([0, 1, 1, 2], dtype=int32))
    """
    data, minor, indptr = entries
    starts = starts_by_counting(minor, minors)
    _, order = sorted_keys(minor, minors)
    return Compressed(data[order], lines_of_slots(indptr, len(data))[order], starts)


def coo_to_csr(a: COO) -> CSR:
    """Return the same matrix in CSR: sorted, duplicates summed in stored order."""
    return CSR._trusted(a.shape, **compress(a.row, a.col, _values(a), a.shape)._asdict())


def coo_to_csc(a: COO) -> CSC:
    """Return the same matrix in CSC: sorted, duplicates summed in stored order."""
    sizes = a.shape[1], a.shape[0]
    return CSC._trusted(a.shape, **compress(a.col, a.row, _values(a), sizes)._asdict())


def csr_to_csc(a: CSR) -> CSC:
    """Return the same matrix in CSC: sorted, duplicates summed in stored order."""
    if a.has_canonical_format:
        return CSC._trusted(a.shape, **turn(_rows(a), a.shape[1])._asdict())
    return coo_to_csc(csr_to_coo(a))


def csc_to_csr(a: CSC) -> CSR:
    """Return the same matrix in CSR: sorted, duplicates summed in stored order."""
    if a.has_canonical_format:
        return CSR._trusted(a.shape, **turn(_rows(a), a.shape[0])._asdict())
    col = lines_of_slots(a.indptr, a.nnz)
    return coo_to_csr(COO._trusted(a.shape, data=a.data, row=a.indices, col=col))


def csr_to_coo(a: CSR) -> COO:
    """Return the stored entries of CSR as COO, as they are."""
    row = lines_of_slots(a.indptr, a.nnz)
    return COO._trusted(a.shape, data=a.data, row=row, col=a.indices)


def _rows(a: CSR | CSC) -> Compressed:
    return Compressed(_values(a), a.indices, a.indptr)


def _values(a: Matrix) -> Array:
    return in_c_order(a.data)


def run(x: Matrix, format: str, block: tuple[int, int] | None) -> Array | Matrix:
    """Return the matrix in another format: by threads between COO, CSR and CSC, else by array code.

    COO is made of CSR's rows. BSR and n:m have no thread program.
    """
    if isinstance(x, COO) and format == "csr":
        return coo_to_csr(x)
    if isinstance(x, COO) and format == "csc":
        return coo_to_csc(x)
    if isinstance(x, CSR) and format == "csc":
        return csr_to_csc(x)
    if isinstance(x, CSC) and format == "csr":
        return csc_to_csr(x)
    if isinstance(x, CSR | CSC) and format == "coo":
        rows = x if isinstance(x, CSR) else csc_to_csr(x)
        rows = rows if rows.has_canonical_format else coo_to_csr(csr_to_coo(rows))
        return csr_to_coo(rows)
    return vectorized(x, format, block)


GPU = Level(run, why_not=why_not)
