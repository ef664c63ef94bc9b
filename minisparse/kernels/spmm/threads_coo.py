"""SpMM on COO by threads: some lanes for each entry, which add atomically to a row of C.

::

    entry p = (m, k, a)      lane n adds a * B[k, n] to C[m, n]:
                             neighbors read and add to neighboring elements
    other entries of row m   add to the same elements, at any time

Nothing is known of the order of the entries, so no thread owns an element: sums are made in the
order in which threads happen to add, and differ from call to call by rounding. The entries are
shared evenly, however long rows are (Bell and Garland, SC 2009). Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.spmm.threads import (
    MOST_ALONG_Y,
    THREADS,
    add_elements,
    fitting,
    in_blocks,
    new_result,
    why_not,
)
from minisparse.kernels.spmv import threads_coo as spmv
from minisparse.ops import Attrs

wide: Any = np.float32
summed: Any = np.float32


@thread_program
def spmm_entry_per_lanes(
    data: Array, row: Array, col: Array, b: Array, sums: Array, entries: Any, columns: int
) -> None:
    """Add an entry times its row of B to its row of C; a block has ``blockDim.y`` entries."""
    p = np.int64(jit.blockIdx.x) * np.int64(jit.blockDim.y) + np.int64(jit.threadIdx.y)
    start = np.int32(jit.blockIdx.y * jit.blockDim.x + jit.threadIdx.x)
    if p < entries:
        value = wide(data[p])
        m = row[p]
        k = col[p]
        for n in range(start, columns, np.int32(jit.gridDim.y * jit.blockDim.x)):
            jit.atomic_add(sums, (m, n), summed(value * wide(b[k, n])))


def multiply(a: COO, b: Array, c: Array) -> Array:
    """Write ``A @ B`` to c, and return it."""
    if c.shape[1] == 1:
        return spmv.multiply(a, b[:, 0], c)

    def launch(sums: Array, real: Any, total: Any) -> None:
        n, width = c.shape[1], fitting(c.shape[1], jit.WARP)
        if a.nnz:
            grid = in_blocks(a.nnz, THREADS // width), min(in_blocks(n, width), MOST_ALONG_Y)
            args = (a.data, a.row, a.col, b, sums, np.int64(a.nnz), n)
            program = spmm_entry_per_lanes.bind(wide=real, summed=total)
            program(grid, (width, THREADS // width), args)

    return add_elements(c, launch)


def run(a: COO, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ B`` for B ``[K, N]``."""
    return multiply(a, b, new_result(a, b, (a.shape[0], b.shape[1]), out))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does; what is added to is read and written."""
    a, b = types
    n, nnz = b.dims[1], a.nnz
    if n == 1:
        return spmv.work(pattern, (a, TensorType(b.shape[:1], b.dtype)))
    tiles = in_blocks(n, jit.WARP)
    indices = float(tiles * 2 * nnz * a.index_itemsize)
    return Work(
        flops=2.0 * nnz * n,
        bytes=indices + float(tiles * nnz * a.itemsize + (3 * nnz + a.dims[0]) * n * b.itemsize),
        gathered=2.0 * nnz * n,
        calls=2.0,
        unit="elementwise",
        indices=indices,
    )


GPU = Level(run, None, work, takes_out=True, why_not=why_not)
