"""SpMV on CSC: ``y[m] = sum_k A[m, k] * x[k]``, A ``[M, K]`` by columns, x ``[K]`` dense.

y is a sum of columns of A, column k times x[k]. Each x[k] is read once, but every product adds to
an element of y somewhere else; the vectorized level packs the rows, once, and gathers instead.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import csc as spmm_csc
from minisparse.kernels.spmv import packed, threads_csc
from minisparse.kernels.spmv.on_device import ON_DEVICE
from minisparse.ops import SPMV


def bytes_moved(a: TensorType, x: TensorType) -> int:
    """Count A and x once, and an element of y read and written per stored value."""
    k = a.dims[1]
    index_bytes = (k + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (k + 2 * a.nnz) * x.itemsize


def loops(a: CSC, x: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x)
    x = x.astype(accumulator(dtype))
    y = np.zeros(a.shape[0], x.dtype)
    for k in range(a.shape[1]):
        for p in range(a.indptr[k], a.indptr[k + 1]):
            m = a.indices[p]
            y[m] += a.data[p] * x[k]
    return y.astype(dtype)


def counts(a: CSC, x: Array) -> Counts:
    """Count what the loops do: as those of SpMM with one column."""
    return spmm_csc.counts(a, x[:, None])


SPMV_CSC = Kernel(
    SPMV,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(
        packed.run,
        packed.prepare,
        packed.sorted_work,
        takes_out=True,
        prepare_once=packed.prepare_once,
        device=ON_DEVICE,
    ),
    gpu=threads_csc.GPU,
    counts=counts,
)
