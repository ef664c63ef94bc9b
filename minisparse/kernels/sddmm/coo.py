"""SDDMM on COO: ``c[p] = data[p] * sum_d X[row[p], d] * Y[d, col[p]]`` for every entry p.

No entry writes where another does, so the order is free; prepare brings the entries of a row
together, so that rows of X are near when they are needed again.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Matrix
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.sddmm import sampling
from minisparse.kernels.sddmm.on_device import ON_DEVICE
from minisparse.kernels.sddmm.threads import GPU_COO
from minisparse.ops import SDDMM


def bytes_moved(a: TensorType, x: TensorType, y: TensorType) -> int:
    """Count A once, a row of X and a column of Y per stored value, and the new values once."""
    read = x.dims[1] * (x.itemsize + y.itemsize)
    return a.nnz * (2 * a.itemsize + 2 * a.index_itemsize + read)


def loops(a: COO, x: Array, y: Array) -> Matrix:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x, y)
    x, y = x.astype(accumulator(dtype)), y.astype(accumulator(dtype))
    c = np.zeros(len(a.data), x.dtype)
    for p in range(len(a.data)):
        m, n = a.row[p], a.col[p]
        for d in range(x.shape[1]):
            c[p] += x[m, d] * y[d, n]
        c[p] *= a.data[p]
    return a.with_data(c.astype(dtype))


def counts(a: COO, x: Array, y: Array) -> Counts:
    """Count what the loops do: a row of X and a column of Y gathered for each entry."""
    steps, dtype = a.nnz * x.shape[1], np.result_type(a.data, x, y)
    return Counts(
        flops=2 * steps + a.nnz,
        value_bytes=a.data.nbytes + a.nnz * dtype.itemsize,
        index_bytes=a.row.nbytes + a.col.nbytes,
        gathered_bytes=steps * (x.itemsize + y.itemsize),
        scratch=widened_bytes(x, dtype, a.nnz) + widened_bytes(y, dtype, 0),
        calls=5 * a.nnz + 4 * steps,
    )


def prepare(a: COO, columns: int = 256) -> sampling.Sampling:
    """Sort the entries by row, and find the rectangles that are worth computing as a whole."""
    return sampling.pack(a, a.row, a.col, a.shape[0])


def vectorized(a: sampling.Sampling, x: Array, y: Array) -> Matrix:
    """Compute a tile of entries after another."""
    return sampling.run(a, x, y.T)


SDDMM_COO = Kernel(
    SDDMM,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, prepare, sampling.work, device=ON_DEVICE),
    gpu=GPU_COO,
    counts=counts,
)
