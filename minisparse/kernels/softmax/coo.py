"""Row softmax on COO: ``c[p] = exp(data[p] - max_m) / sum_q exp(data[q] - max_m)``, m = row[p].

Nothing is known of the order, so largest values and sums of all rows are found together: three
passes over the entries. Where they are sorted, rows are runs, as in CSR.
"""

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Matrix, Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.softmax.on_device import ON_DEVICE
from minisparse.kernels.softmax.runs import passes, softmax_by_row, softmax_of_runs
from minisparse.ops import SOFTMAX, Attrs

MANY_ROWS = 1 << 24
"""Rows up to which every one, empty or not, has its place in scratch memory: 128 MB of float64."""


def bytes_moved(a: TensorType) -> int:
    """Count row numbers and values three times, and the new values once."""
    return a.nnz * (3 * a.index_itemsize + 4 * a.itemsize)


def loops(a: COO, *, axis: int = -1) -> Matrix:
    """Follow the formula, one entry at a time."""
    x = a.data.astype(accumulator(a.dtype))
    c = np.zeros_like(x)
    largest = np.full(a.shape[0], -np.inf, x.dtype)
    total = np.zeros(a.shape[0], x.dtype)
    for p in range(len(x)):
        m = a.row[p]
        largest[m] = np.maximum(largest[m], x[p])
    for p in range(len(x)):
        m = a.row[p]
        c[p] = np.exp(x[p] - largest[m])
        total[m] += c[p]
    for p in range(len(x)):
        c[p] /= total[a.row[p]]
    return a.with_data(c.astype(a.dtype))


def counts(a: COO, *, axis: int = -1) -> Counts:
    """Count what the loops do: each row's maximum and sum are reached through an index."""
    m = a.shape[0]
    wide, again = accumulator(a.dtype).itemsize, a.nnz > 1  # a single index is read but once
    return Counts(
        flops=4 * a.nnz,
        value_bytes=2 * a.data.nbytes + 2 * m * wide,
        index_bytes=a.row.nbytes,
        gathered_bytes=(6 if again else 4) * a.nnz * wide,
        scratch=widened_bytes(a.data, a.dtype, a.nnz) + 2 * m * wide,
        calls=15 * a.nnz,
    )


def vectorized(a: COO, *, axis: int = -1) -> Matrix:
    """Compute a block of rows after another if they lie so, else pass over all, three times."""
    row, rows = a.row, a.shape[0]
    if rows > max(MANY_ROWS, a.nnz):  # nearly all are empty: the others are numbered anew
        used, row = np.unique(row, return_inverse=True)
        rows = len(used)
    if a.has_sorted_indices:
        starts = np.searchsorted(row, np.arange(rows + 1))
        return a.with_data(softmax_of_runs(a.data, starts))
    return a.with_data(softmax_by_row(a.data, row, rows))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the passes over the values, with five indexed accesses for each."""
    return passes(types[0], 5.0)


SOFTMAX_COO = Kernel(
    SOFTMAX,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE),
    counts=counts,
)
