"""Row softmax on CSC: ``c[p] = exp(a[p] - max_m) / sum_q exp(a[q] - max_m)``, m the row of p.

The entries of a row lie all over the place, so largest values and sums of all rows are found
together: three passes over the matrix, column by column.
"""

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, Matrix, Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.softmax.on_device import ON_DEVICE
from minisparse.kernels.softmax.runs import passes, softmax_by_row
from minisparse.ops import SOFTMAX, Attrs


def bytes_moved(a: TensorType) -> int:
    """Count row indices and values three times, and the new values once."""
    return a.nnz * (3 * a.index_itemsize + 4 * a.itemsize)


def loops(a: CSC, *, axis: int = -1) -> Matrix:
    """Follow the formula, one entry at a time."""
    x = a.data.astype(accumulator(a.dtype))
    c = np.zeros_like(x)
    largest = np.full(a.shape[0], -np.inf, x.dtype)
    total = np.zeros(a.shape[0], x.dtype)
    for n in range(a.shape[1]):
        for p in range(a.indptr[n], a.indptr[n + 1]):
            m = a.indices[p]
            largest[m] = np.maximum(largest[m], x[p])
    for n in range(a.shape[1]):
        for p in range(a.indptr[n], a.indptr[n + 1]):
            m = a.indices[p]
            c[p] = np.exp(x[p] - largest[m])
            total[m] += c[p]
    for n in range(a.shape[1]):
        for p in range(a.indptr[n], a.indptr[n + 1]):
            c[p] /= total[a.indices[p]]
    return a.with_data(c.astype(a.dtype))


def counts(a: CSC, *, axis: int = -1) -> Counts:
    """Count what the loops do: each row's maximum and sum are reached through an index."""
    m, n = a.shape
    wide, again = accumulator(a.dtype).itemsize, a.nnz > 1  # a single index is read but once
    return Counts(
        flops=4 * a.nnz,
        value_bytes=2 * a.data.nbytes + 2 * m * wide,
        index_bytes=a.indptr.nbytes * (n > 0) + a.indices.nbytes,
        gathered_bytes=(6 if again else 4) * a.nnz * wide,
        scratch=widened_bytes(a.data, a.dtype, a.nnz) + 2 * m * wide,
        calls=6 * n + 15 * a.nnz,
    )


def vectorized(a: CSC, *, axis: int = -1) -> Matrix:
    """Pass three times over the entries, a part at a time."""
    return a.with_data(softmax_by_row(a.data, a.indices, a.shape[0]))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the passes over the values, with five indexed accesses for each."""
    return passes(types[0], 5.0)


SOFTMAX_CSC = Kernel(
    SOFTMAX,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE),
    counts=counts,
)
