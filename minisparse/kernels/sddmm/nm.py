"""SDDMM on n:m: ``C[m, n] = A[m, n] * sum_d X[m, d] * Y[d, n]``, n of every m neighbors stored.

Every row stores equally many values. At 2:4 half of all cells are wanted, and the whole product by
BLAS is the fastest way on a CPU. What stands for columns beyond the matrix stays zero.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM, Matrix
from minisparse.kernels.counts import Counts, inside_groups, widened_bytes
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.sddmm import sampling
from minisparse.kernels.sddmm.edges import fill_outside
from minisparse.kernels.sddmm.on_device import ON_DEVICE
from minisparse.kernels.sddmm.threads import GPU_NM
from minisparse.ops import SDDMM


def bytes_moved(a: TensorType, x: TensorType, y: TensorType) -> int:
    """Count A with its positions and X once, a column of Y per stored value, new values once."""
    m, d = x.dims
    read = m * d * x.itemsize + a.nnz * d * y.itemsize
    return a.nnz * (2 * a.itemsize + a.index_itemsize) + read


def loops(a: NM, x: Array, y: Array) -> Matrix:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x, y)
    x, y = x.astype(accumulator(dtype)), y.astype(accumulator(dtype))
    c = np.zeros(a.data.shape, x.dtype)
    for m in range(a.shape[0]):
        for p in range(a.data.shape[1]):
            n = p // a.n * a.m + int(a.positions[m, p])
            if n >= a.shape[1]:
                continue  # padding of a last group that reaches beyond the matrix
            for d in range(x.shape[1]):
                c[m, p] += x[m, d] * y[d, n]
            c[m, p] *= a.data[m, p]
    return a.with_data(c.astype(dtype))


def counts(a: NM, x: Array, y: Array) -> Counts:
    """Count what the loops do: a column of Y for each stored value that is no padding."""
    d, dtype = x.shape[1], np.result_type(a.data, x, y)
    inside = inside_groups(a)
    stored, rows_of_x = int(np.count_nonzero(inside)), int(np.count_nonzero(inside.any(axis=1)))
    steps = stored * d
    return Counts(
        flops=2 * steps + stored,
        value_bytes=stored * a.data.itemsize + rows_of_x * d * x.itemsize + a.nnz * dtype.itemsize,
        index_bytes=a.positions.nbytes,
        gathered_bytes=steps * y.itemsize,
        scratch=widened_bytes(x, dtype, a.nnz) + widened_bytes(y, dtype, 0),
        calls=a.nnz + 3 * stored + 4 * steps,
    )


def prepare(a: NM, columns: int = 256) -> sampling.Sampling:
    """Find the rectangles that are worth computing as a whole: at 2:4, all."""
    rows, slots = a.data.shape
    col = np.arange(slots) // a.n * a.m + a.positions
    np.minimum(col, max(a.shape[1] - 1, 0), out=col)  # padding: any column will do
    return sampling.pack(a, np.repeat(np.arange(rows), slots), col.reshape(-1), rows)


def vectorized(a: sampling.Sampling, x: Array, y: Array) -> Matrix:
    """Compute a tile of entries after another, and then zero the padding."""
    values = sampling.values(a, x, y.T).reshape(a.matrix.data.shape)
    fill_outside(a.matrix, values, 0)
    return a.matrix.with_data(values)


SDDMM_NM = Kernel(
    SDDMM,
    NM,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, prepare, sampling.work, device=ON_DEVICE),
    gpu=GPU_NM,
    counts=counts,
)
