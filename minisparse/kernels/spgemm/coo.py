"""SpGEMM on COO: ``C[m, n] = sum_k A[m, k] * B[k, n]``, entries in any order.

Every entry of A in column k meets every entry of B in row k, and their product belongs to the row
of the one and the column of the other: what databases call a join, here by a hash table of B's rows
(a dict). Nothing is known of the order, so that the products are added up in a table of all cells.

The array code needs B's rows side by side for that, and A's too, so that a row of C is finished
before the next begins: where entries do not stand so, each call groups them first, which takes
memory for as many entries. CSR has that work behind it: convert what is multiplied more than once.
"""

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.index import index_dtype
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Pattern
from minisparse.formats.compressed import expand, group
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spgemm.expected import expected_bytes, expected_work
from minisparse.kernels.spgemm.on_device import ON_DEVICE
from minisparse.kernels.spgemm.rows import multiply
from minisparse.ops import SPGEMM, Attrs

MANY_LINES = 1 << 24
"""Up to so many lines, pointers are kept for all of them, in at most 128 MB of int64."""


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, the entries of B that each of its entries meets, and C once."""
    return expected_bytes(a, b, pointers=a.nnz)


def loops(a: COO, b: COO) -> COO:
    """Follow the formula, one multiply-add at a time; cells come out sorted."""
    dtype = np.result_type(a.data, b.data)
    wide = accumulator(dtype)
    a_data, b_data = a.data.astype(wide), b.data.astype(wide)
    slots: dict[int, list[int]] = {}
    for q in range(len(b.data)):
        k = b.row[q]
        if k not in slots:
            slots[k] = []
        slots[k].append(q)
    c = {}
    for p in range(len(a.data)):
        m, k = a.row[p], a.col[p]
        for q in slots.get(k, ()):
            n = b.col[q]
            if (m, n) not in c:
                c[m, n] = wide.type(0)
            c[m, n] += a_data[p] * b_data[q]
    cells = np.array(sorted(c), np.int64).reshape(-1, 2)
    data = np.array([c[m, n] for m, n in sorted(c)], wide).astype(dtype)
    return COO(data, cells[:, 0], cells[:, 1], (a.shape[0], b.shape[1]))


def counts(a: COO, b: COO) -> Counts:
    """Count what the loops do; how many entries C has is found by computing it."""
    with np.errstate(all="ignore"):
        c, k = vectorized(a, b), a.shape[1]
    met_by_a = np.bincount(b.row, minlength=k)[a.col]
    met_by_b = np.bincount(a.col, minlength=k)[b.row]
    a_used, b_used = int(np.count_nonzero(met_by_a)), int(np.count_nonzero(met_by_b))
    products = int(met_by_a.sum())
    return Counts(
        flops=2 * products,
        value_bytes=a_used * a.data.itemsize + b_used * b.data.itemsize + c.data.nbytes,
        index_bytes=a.row.nbytes
        + a.col.nbytes
        + b.row.nbytes
        + b_used * b.col.itemsize
        + c.row.nbytes
        + c.col.nbytes,
        gathered_bytes=0,
        scratch=(a.nnz + b.nnz + c.nnz) * accumulator(c.dtype).itemsize,
        calls=2 * a.nnz + b.nnz + 3 * products,
    )


def vectorized(a: COO, b: COO) -> COO:
    """Group the entries of A and of B by row, and multiply as CSR does."""
    if max(a.shape) > max(MANY_LINES, a.nnz + b.nnz):
        return _by_lines_in_use(a, b)
    rows, columns = a.shape[0], b.shape[1]
    left = group(a.row, a.col, a.data, rows)
    right = group(b.row, b.col, b.data, b.shape[0])
    data, col, indptr = multiply(left, right, columns)
    return COO._trusted((rows, columns), data=data, row=expand(indptr), col=col)


def _by_lines_in_use(a: COO, b: COO) -> COO:
    """Multiply with A's rows and columns numbered anew: most are empty, and pointers cost memory.

    A column of A where B's row is empty meets nothing, and is left out.
    """
    met = np.isin(a.col, b.row)
    in_use, row = np.unique(a.row[met], return_inverse=True)
    shared, number = np.unique(b.row, return_inverse=True)
    col = np.searchsorted(shared, a.col[met])
    left = COO(a.data[met], row, col, (len(in_use), len(shared)))
    c = vectorized(left, COO(b.data, number, b.col, (len(shared), b.shape[1])))
    shape = a.shape[0], b.shape[1]
    width = index_dtype(shape, c.nnz)
    row, col = in_use[c.row].astype(width, copy=False), c.col.astype(width, copy=False)
    return COO._trusted(shape, data=c.data, row=row, col=col)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the products to expect cost, and the grouping before: ten passes each."""
    found = expected_work(pattern.nnz, types, bytes_moved(*types))
    grouped = 10.0 * (pattern.nnz + types[1].nnz)
    return Work(found.flops, found.bytes, found.gathered + grouped, found.calls, unit=found.unit)


SPGEMM_COO = Kernel(
    SPGEMM,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE["coo"]),
    counts=counts,
)
