"""SpMV on n:m: ``y[m] = sum_k A[m, k] * x[k]``, n of every m neighbors in a row of A stored.

Slot p of a row belongs to its group ``p // a.n``, and stands in its column ``positions[m, p]``. All
rows are equally long; at 2:4 the vectorized level finds the dense product faster.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM, Pattern
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm import nm as spmm_nm
from minisparse.kernels.spmm.work import nm_columns
from minisparse.kernels.spmv import packed, threads_nm
from minisparse.kernels.spmv.on_device import ON_DEVICE
from minisparse.ops import SPMV, Attrs


def bytes_moved(a: TensorType, x: TensorType) -> int:
    """Count A with its positions once, an element of x per stored value, and y once."""
    return a.nnz * (a.itemsize + a.index_itemsize) + (a.nnz + a.dims[0]) * x.itemsize


def loops(a: NM, x: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x)
    x = x.astype(accumulator(dtype))
    y = np.zeros(a.shape[0], x.dtype)
    for m in range(a.shape[0]):
        for p in range(a.data.shape[1]):
            k = p // a.n * a.m + int(a.positions[m, p])
            if k >= a.shape[1]:
                continue  # padding of a last group that reaches beyond the matrix
            y[m] += a.data[m, p] * x[k]
    return y.astype(dtype)


def counts(a: NM, x: Array) -> Counts:
    """Count what the loops do: as those of SpMM with one column."""
    return spmm_nm.counts(a, x[:, None])


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the rows do; each stores equally many values, padding included."""
    (m, k), stored = types[0].dims, types[0].nnz
    columns = nm_columns(pattern, types[0])
    return packed.work_of(np.full(m, min(stored // max(m, 1), k)), columns, types)


SPMV_NM = Kernel(
    SPMV,
    NM,
    bytes_moved,
    loops=loops,
    vectorized=Level(
        packed.run,
        packed.prepare,
        work,
        takes_out=True,
        prepare_once=packed.prepare_once,
        device=ON_DEVICE,
    ),
    gpu=threads_nm.GPU,
    counts=counts,
)
