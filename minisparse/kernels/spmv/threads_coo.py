"""SpMV on COO by threads: a warp takes 32 neighboring entries, and adds once for each run of a row.

::

    lane        0  1  2  3  4  5  6 ...       entries as they are stored
    row         7  7  7  7  9  9  4
    product     a  b  c  d  e  f  g
    begins      x           x     x           where the row differs from the lane before
    sum         a  ab abc …  e  ef g          of the run until here, found in 5 rounds
    adds                 7     9  4           the last lane of each run, atomically

In round r a lane whose run has not begun among what it has takes what the lane 2**r before it has:
a segmented scan (Sengupta, Harris, Zhang and Owens, "Scan primitives for GPU computing", Graphics
Hardware 2007), as Bell and Garland, SC 2009, sum COO. Sorted entries then add once a row and warp;
entries in any other order are computed right, and add more often. Runs of other warps add at any
time, so sums differ from call to call by rounding. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.spmm.threads import THREADS, add_elements, in_blocks, new_result, why_not
from minisparse.ops import Attrs

wide: Any = np.float32
summed: Any = np.float32


@thread_program
def spmv_entries_per_warp(
    data: Array, row: Array, col: Array, x: Array, sums: Array, entries: Any
) -> None:
    """Multiply an entry in each thread, and add up the runs of a row in each warp.

    Threads beyond the last entry add zeros to its run, as all lanes of a warp must exchange.
    """
    p = np.int64(jit.blockIdx.x) * np.int64(jit.blockDim.x) + np.int64(jit.threadIdx.x)
    lane = np.int32(jit.threadIdx.x) % 32
    m = row[min(p, entries - 1)]
    total = wide(0)
    if p < entries:
        total = wide(data[p]) * wide(x[col[p]])
    row_before = jit.shfl_up_sync(jit.FULL, m, np.uint32(1))
    row_after = jit.shfl_down_sync(jit.FULL, m, np.uint32(1))
    begun = np.int32(0)
    if lane == 0 or row_before != m:
        begun = np.int32(1)
    for step in range(5):
        before = jit.shfl_up_sync(jit.FULL, total, np.uint32(1 << step))
        begun_before = jit.shfl_up_sync(jit.FULL, begun, np.uint32(1 << step))
        if begun == 0:
            total = before + total
            begun = begun_before
    if lane == 31 or row_after != m:
        jit.atomic_add(sums, (m, 0), summed(total))


def multiply(a: COO, x: Array, y: Array) -> Array:
    """Write ``A @ x`` to ``y``, which is ``[M, 1]``, and return it."""

    def launch(sums: Array, real: Any, total: Any) -> None:
        if a.nnz:
            args = (a.data, a.row, a.col, x, sums, np.int64(a.nnz))
            program = spmv_entries_per_warp.bind(wide=real, summed=total)
            program((in_blocks(a.nnz, THREADS),), (THREADS,), args)

    return add_elements(y, launch)


def run(a: COO, x: Array, out: Array | None = None) -> Array:
    """Return ``A @ x`` for x ``[K]``."""
    y = new_result(a, x, a.shape[:1], out)
    multiply(a, x, y[:, None])
    return y


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does, each run of a row added as if entries were sorted."""
    a, x = types
    (m, _), nnz = a.dims, a.nnz
    indices, runs = float(2 * nnz * a.index_itemsize), min(nnz, m + nnz // jit.WARP)
    return Work(
        flops=2.0 * nnz,
        bytes=indices + float(nnz * (a.itemsize + x.itemsize) + (m + 2 * runs) * x.itemsize),
        gathered=float(nnz + runs),
        calls=2.0,
        unit="elementwise",
        indices=indices,
    )


GPU = Level(run, None, work, takes_out=True, why_not=why_not)
