"""Row softmax on CSR: ``c[p] = exp(a[p] - max_m) / sum_q exp(a[q] - max_m)``, q over row m.

Three passes over a row: its largest value, the exponentials and their sum, the quotients. Rows are
taken a block at a time, which stays in a cache between the passes.
"""

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Matrix, Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.softmax.on_device import ON_DEVICE
from minisparse.kernels.softmax.runs import passes, softmax_of_runs
from minisparse.kernels.softmax.threads import GPU
from minisparse.ops import SOFTMAX, Attrs


def bytes_moved(a: TensorType) -> int:
    """Count the pointers and the values once, and the new values once."""
    return (a.dims[0] + 1) * a.index_itemsize + 2 * a.nnz * a.itemsize


def loops(a: CSR, *, axis: int = -1) -> Matrix:
    """Follow the formula, one entry at a time."""
    x = a.data.astype(accumulator(a.dtype))
    c = np.zeros_like(x)
    for m in range(a.shape[0]):
        largest = x.dtype.type(-np.inf)
        for p in range(a.indptr[m], a.indptr[m + 1]):
            largest = np.maximum(largest, x[p])
        total = x.dtype.type(0)
        for p in range(a.indptr[m], a.indptr[m + 1]):
            c[p] = np.exp(x[p] - largest)
            total += c[p]
        for p in range(a.indptr[m], a.indptr[m + 1]):
            c[p] /= total
    return a.with_data(c.astype(a.dtype))


def counts(a: CSR, *, axis: int = -1) -> Counts:
    """Count what the loops do: three passes over a row, of which each value counts once."""
    m = a.shape[0]
    return Counts(
        flops=4 * a.nnz,
        value_bytes=2 * a.data.nbytes,
        index_bytes=a.indptr.nbytes * (m > 0),
        gathered_bytes=0,
        scratch=widened_bytes(a.data, a.dtype, a.nnz),
        calls=6 * m + 6 * a.nnz,
    )


def vectorized(a: CSR, *, axis: int = -1) -> Matrix:
    """Compute a block of rows after another."""
    return a.with_data(softmax_of_runs(a.data, a.indptr))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the passes over the values."""
    return passes(types[0])


SOFTMAX_CSR = Kernel(
    SOFTMAX,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE),
    gpu=GPU,
    counts=counts,
)
