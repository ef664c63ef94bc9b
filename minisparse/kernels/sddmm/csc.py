"""SDDMM on CSC: ``C[m, n] = A[m, n] * sum_d X[m, d] * Y[d, n]``, the entries of A by columns.

Column by column: the transpose of CSR's way, with X and Y in each other's place. All entries of
column n share column n of Y, and each takes a row of X.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, Matrix
from minisparse.formats.compressed import expand
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.sddmm import sampling
from minisparse.kernels.sddmm.on_device import ON_DEVICE
from minisparse.kernels.sddmm.threads import GPU_CSC
from minisparse.ops import SDDMM


def bytes_moved(a: TensorType, x: TensorType, y: TensorType) -> int:
    """Count A and Y once, a row of X per stored value, and the new values once."""
    d, n = y.dims
    index_bytes = (n + 1 + a.nnz) * a.index_itemsize
    read = n * d * y.itemsize + a.nnz * d * x.itemsize
    return index_bytes + 2 * a.nnz * a.itemsize + read


def loops(a: CSC, x: Array, y: Array) -> Matrix:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x, y)
    x, y = x.astype(accumulator(dtype)), y.astype(accumulator(dtype))
    c = np.zeros(len(a.data), x.dtype)
    for n in range(a.shape[1]):
        for p in range(a.indptr[n], a.indptr[n + 1]):
            m = a.indices[p]
            for d in range(x.shape[1]):
                c[p] += x[m, d] * y[d, n]
            c[p] *= a.data[p]
    return a.with_data(c.astype(dtype))


def counts(a: CSC, x: Array, y: Array) -> Counts:
    """Count what the loops do: every stored value meets one gathered row of X."""
    (d, n), dtype = y.shape, np.result_type(a.data, x, y)
    steps, columns_of_y = a.nnz * d, int(np.count_nonzero(np.diff(a.indptr)))
    return Counts(
        flops=2 * steps + a.nnz,
        value_bytes=a.data.nbytes + columns_of_y * d * y.itemsize + a.nnz * dtype.itemsize,
        index_bytes=a.indptr.nbytes * (n > 0) + a.indices.nbytes,
        gathered_bytes=steps * x.itemsize,
        scratch=widened_bytes(x, dtype, a.nnz) + widened_bytes(y, dtype, 0),
        calls=2 * n + 4 * a.nnz + 4 * steps,
    )


def prepare(a: CSC, columns: int = 256) -> sampling.Sampling:
    """Find the rectangles that are worth computing as a whole, of the transpose."""
    return sampling.pack(a, expand(a.indptr), a.indices, a.shape[1])


def vectorized(a: sampling.Sampling, x: Array, y: Array) -> Matrix:
    """Compute a tile of entries after another."""
    return sampling.run(a, y.T, x)


SDDMM_CSC = Kernel(
    SDDMM,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, prepare, sampling.work, device=ON_DEVICE),
    gpu=GPU_CSC,
    counts=counts,
)
