"""Matrix times vector, every element stored: ``y[m] = sum_k A[m, k] * x[k]``.

What every sparse kernel has to beat: BLAS reads A once, as fast as memory gives it.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import dense as spmm_dense
from minisparse.ops import SPMV


def bytes_moved(a: TensorType, x: TensorType) -> int:
    """Count A, x and y once each."""
    m, k = a.dims
    return m * k * a.itemsize + (k + m) * x.itemsize


def loops(a: Array, x: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a, x)
    x = x.astype(accumulator(dtype))
    y = np.zeros(a.shape[0], x.dtype)
    for m in range(a.shape[0]):
        for k in range(a.shape[1]):
            y[m] += a[m, k] * x[k]
    return y.astype(dtype)


def counts(a: Array, x: Array) -> Counts:
    """Count what the loops do: as those of SpMM with one column."""
    return spmm_dense.counts(a, x[:, None])


SPMV_DENSE = Kernel(
    SPMV,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(spmm_dense.vectorized, takes_out=True),
    counts=counts,
)
