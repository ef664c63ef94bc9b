"""SpMM on n:m transposed: ``C[k, n] = sum_m A[m, k] * B[m, n]``, n of m neighbors in a row stored.

Slot p of a row belongs to its group ``p // a.n``, and stands in its column ``positions[m, p]``. The
transpose has its groups along columns and is not n:m; its columns are packed as they are.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import panels
from minisparse.kernels.spmm_t import columns, threads_nm
from minisparse.kernels.spmm_t.on_device import ON_DEVICE
from minisparse.ops import SPMM_T


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A with its positions and B once, and a row of C read and written per stored value."""
    m, n = b.dims
    return a.nnz * (a.itemsize + a.index_itemsize) + (m + 2 * a.nnz) * n * b.itemsize


def loops(a: NM, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[1], b.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for p in range(a.data.shape[1]):
            k = p // a.n * a.m + int(a.positions[m, p])
            if k >= a.shape[1]:
                continue  # padding of a last group that reaches beyond the matrix
            for n in range(b.shape[1]):
                c[k, n] += a.data[m, p] * b[m, n]
    return c.astype(dtype)


def counts(a: NM, b: Array) -> Counts:
    """Count what the loops do: a row of C read and written for each value that is no padding."""
    k, n, dtype = a.shape[1], b.shape[1], np.result_type(a.data, b)
    column = np.arange(a.data.shape[1]) // a.n * a.m + a.positions
    stored = int(np.count_nonzero(column < k))
    rows_of_b = int(np.count_nonzero((column < k).any(axis=1)))
    steps = stored * n
    return Counts(
        flops=2 * steps,
        value_bytes=stored * a.data.itemsize * (n > 0)
        + rows_of_b * n * b.itemsize
        + k * n * dtype.itemsize,
        index_bytes=a.positions.nbytes,
        gathered_bytes=2 * steps * dtype.itemsize,
        scratch=widened_bytes(b, dtype, k * n),
        calls=a.nnz + 4 * steps,
    )


SPMM_T_NM = Kernel(
    SPMM_T,
    NM,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, columns.prepare, columns.work, fuses=True, device=ON_DEVICE),
    gpu=threads_nm.GPU,
    counts=counts,
)
