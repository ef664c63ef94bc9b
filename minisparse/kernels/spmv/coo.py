"""SpMV on COO: ``y[row[p]] += data[p] * x[col[p]]`` for every entry p, in stored order.

Nothing is known of the order, so every product reads and writes an element of y; the vectorized
level sorts the entries into rows, once, and packs these.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import coo as spmm_coo
from minisparse.kernels.spmv import packed, threads_coo
from minisparse.kernels.spmv.on_device import ON_DEVICE
from minisparse.ops import SPMV


def bytes_moved(a: TensorType, x: TensorType) -> int:
    """Count A once, and per stored value an element of x read and one of y read and written."""
    return a.nnz * (a.itemsize + 2 * a.index_itemsize + 3 * x.itemsize)


def loops(a: COO, x: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, x)
    x = x.astype(accumulator(dtype))
    y = np.zeros(a.shape[0], x.dtype)
    for p in range(len(a.data)):
        m, k = a.row[p], a.col[p]
        y[m] += a.data[p] * x[k]
    return y.astype(dtype)


def counts(a: COO, x: Array) -> Counts:
    """Count what the loops do: as those of SpMM with one column."""
    return spmm_coo.counts(a, x[:, None])


SPMV_COO = Kernel(
    SPMV,
    COO,
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
    gpu=threads_coo.GPU,
    counts=counts,
)
