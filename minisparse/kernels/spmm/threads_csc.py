"""SpMM on CSC by threads: some lanes for each column of A, which add atomically to rows of C.

::

    column k         lane n has B[k, n] in a register, and for each entry (m, a) of the column
                     adds a * B[k, n] to C[m, n]

B is read once, and C as often as there are entries: the other way round than on CSR, where a thread
could own what it writes. Columns meet in the elements of C at any time, so sums differ from call to
call by rounding. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, Pattern
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
from minisparse.kernels.spmv import threads_csc as spmv
from minisparse.ops import Attrs

wide: Any = np.float32
summed: Any = np.float32


@thread_program
def spmm_column_per_lanes(
    data: Array, indices: Array, indptr: Array, b: Array, sums: Array, inner: int, columns: int
) -> None:
    """Add column k of A, times an element of row k of B, to a column of C in each lane."""
    k = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    start = np.int32(jit.blockIdx.y * jit.blockDim.x + jit.threadIdx.x)
    if k < inner:
        for n in range(start, columns, np.int32(jit.gridDim.y * jit.blockDim.x)):
            factor = wide(b[k, n])
            for p in range(indptr[k], indptr[k + 1]):
                jit.atomic_add(sums, (indices[p], n), summed(wide(data[p]) * factor))


def multiply(a: CSC, b: Array, c: Array) -> Array:
    """Write ``A @ B`` to c, and return it."""
    if c.shape[1] == 1:
        return spmv.multiply(a, b[:, 0], c)

    def launch(sums: Array, real: Any, total: Any) -> None:
        if a.nnz:
            inner, n = b.shape
            width = fitting(n, jit.WARP)
            high = fitting(inner, THREADS // width)
            grid = in_blocks(inner, high), min(in_blocks(n, width), MOST_ALONG_Y)
            args = (a.data, a.indices, a.indptr, b, sums, inner, n)
            program = spmm_column_per_lanes.bind(wide=real, summed=total)
            program(grid, (width, high), args)

    return add_elements(c, launch)


def run(a: CSC, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ B`` for B ``[K, N]``."""
    return multiply(a, b, new_result(a, b, (a.shape[0], b.shape[1]), out))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does; what is added to is read and written."""
    a, b = types
    (k, n), nnz, m = b.dims, a.nnz, a.dims[0]
    if n == 1:
        return spmv.work(pattern, (a, TensorType(b.shape[:1], b.dtype)))
    tiles = in_blocks(n, jit.WARP)
    indices = float(tiles * (nnz + k + 1) * a.index_itemsize)
    return Work(
        flops=2.0 * nnz * n,
        bytes=indices + float(tiles * nnz * a.itemsize + (2 * nnz + k + m) * n * b.itemsize),
        gathered=float(nnz * n),
        calls=2.0,
        unit="elementwise",
        indices=indices,
        rows=float(tiles * k),
    )


GPU = Level(run, None, work, takes_out=True, why_not=why_not)
