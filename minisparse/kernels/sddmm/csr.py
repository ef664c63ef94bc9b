"""SDDMM on CSR: ``C[m, n] = A[m, n] * sum_d X[m, d] * Y[d, n]`` at the entries of A ``[M, N]``.

Row by row: all entries of row m share row m of X, and each takes a column of Y (Nisa et al.,
"Sampled dense matrix multiplication for high-performance machine learning", HiPC 2018). C has A's
pointers and indices.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Matrix
from minisparse.formats.compressed import expand
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.sddmm import sampling
from minisparse.kernels.sddmm.on_device import ON_DEVICE
from minisparse.kernels.sddmm.threads import GPU_CSR
from minisparse.ops import SDDMM


def bytes_moved(a: TensorType, x: TensorType, y: TensorType) -> int:
    """Count A and X once, a column of Y per stored value, and the new values once."""
    m, d = x.dims
    index_bytes = (m + 1 + a.nnz) * a.index_itemsize
    read = m * d * x.itemsize + a.nnz * d * y.itemsize
    return index_bytes + 2 * a.nnz * a.itemsize + read


def loops(a: CSR, x: Array, y: Array) -> Matrix:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x, y)
    x, y = x.astype(accumulator(dtype)), y.astype(accumulator(dtype))
    c = np.zeros(len(a.data), x.dtype)
    for m in range(a.shape[0]):
        for p in range(a.indptr[m], a.indptr[m + 1]):
            n = a.indices[p]
            for d in range(x.shape[1]):
                c[p] += x[m, d] * y[d, n]
            c[p] *= a.data[p]
    return a.with_data(c.astype(dtype))


def counts(a: CSR, x: Array, y: Array) -> Counts:
    """Count what the loops do: every stored value meets one gathered column of Y."""
    (m, d), dtype = x.shape, np.result_type(a.data, x, y)
    steps, rows_of_x = a.nnz * d, int(np.count_nonzero(np.diff(a.indptr)))
    return Counts(
        flops=2 * steps + a.nnz,
        value_bytes=a.data.nbytes + rows_of_x * d * x.itemsize + a.nnz * dtype.itemsize,
        index_bytes=a.indptr.nbytes * (m > 0) + a.indices.nbytes,
        gathered_bytes=steps * y.itemsize,
        scratch=widened_bytes(x, dtype, a.nnz) + widened_bytes(y, dtype, 0),
        calls=2 * m + 4 * a.nnz + 4 * steps,
    )


def prepare(a: CSR, columns: int = 256) -> sampling.Sampling:
    """Find the rectangles that are worth computing as a whole."""
    return sampling.pack(a, expand(a.indptr), a.indices, a.shape[0])


def vectorized(a: sampling.Sampling, x: Array, y: Array) -> Matrix:
    """Compute a tile of entries after another."""
    return sampling.run(a, x, y.T)


SDDMM_CSR = Kernel(
    SDDMM,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, prepare, sampling.work, device=ON_DEVICE),
    gpu=GPU_CSR,
    counts=counts,
)
