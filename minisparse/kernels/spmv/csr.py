"""SpMV on CSR: ``y[m] = sum_k A[m, k] * x[k]``, A ``[M, K]`` stored, x ``[K]`` dense.

Every stored value is used once, so reading A is nearly all of the time (Bell and Garland,
"Implementing sparse matrix-vector multiplication on throughput-oriented processors", SC 2009).
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import csr as spmm_csr
from minisparse.kernels.spmv import packed, threads_csr
from minisparse.kernels.spmv.on_device import ON_DEVICE
from minisparse.ops import SPMV


def bytes_moved(a: TensorType, x: TensorType) -> int:
    """Count A once, an element of x per stored value, and y once."""
    m = a.dims[0]
    index_bytes = (m + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (a.nnz + m) * x.itemsize


def loops(a: CSR, x: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x)
    x = x.astype(accumulator(dtype))
    y = np.zeros(a.shape[0], x.dtype)
    for m in range(a.shape[0]):
        for p in range(a.indptr[m], a.indptr[m + 1]):
            k = a.indices[p]
            y[m] += a.data[p] * x[k]
    return y.astype(dtype)


def counts(a: CSR, x: Array) -> Counts:
    """Count what the loops do: as those of SpMM with one column."""
    return spmm_csr.counts(a, x[:, None])


SPMV_CSR = Kernel(
    SPMV,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(
        packed.run,
        packed.prepare,
        packed.work,
        takes_out=True,
        prepare_once=packed.prepare_once,
        device=ON_DEVICE,
    ),
    gpu=threads_csr.GPU,
    counts=counts,
)
