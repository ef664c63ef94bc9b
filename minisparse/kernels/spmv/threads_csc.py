"""SpMV on CSC by threads: some lanes of a warp have a column of A, and its element of x.

::

    column k         all its lanes have x[k] in a register;
    lane             0 1 2 3 0 1 2 3      they take neighboring entries (m, a),
                     and add a * x[k] to y[m], wherever that is

Columns meet in the elements of y at any time, so sums differ from call to call by rounding. Not yet
run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Level, Work
from minisparse.kernels.spmm.threads import (
    THREADS,
    add_elements,
    fitting,
    in_blocks,
    new_result,
    why_not,
)
from minisparse.ops import Attrs

wide: Any = np.float32
summed: Any = np.float32


@thread_program
def spmv_column_per_lanes(
    data: Array, indices: Array, indptr: Array, x: Array, sums: Array, inner: int
) -> None:
    """Add column k of A times x[k]; a block has ``blockDim.y`` columns of ``blockDim.x`` lanes."""
    k = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    if k < inner:
        factor = wide(x[k])
        lane = np.int32(jit.threadIdx.x)
        for p in range(indptr[k] + lane, indptr[k + 1], np.int32(jit.blockDim.x)):
            jit.atomic_add(sums, (indices[p], 0), summed(wide(data[p]) * factor))


def multiply(a: CSC, x: Array, y: Array) -> Array:
    """Write ``A @ x`` to ``y``, which is ``[M, 1]``, and return it."""

    def launch(sums: Array, real: Any, total: Any) -> None:
        if a.nnz:
            inner = len(x)
            width = fitting(in_blocks(a.nnz, inner), jit.WARP)
            high = fitting(inner, THREADS // width)
            args = (a.data, a.indices, a.indptr, x, sums, inner)
            program = spmv_column_per_lanes.bind(wide=real, summed=total)
            program((in_blocks(inner, high),), (width, high), args)

    return add_elements(y, launch)


def run(a: CSC, x: Array, out: Array | None = None) -> Array:
    """Return ``A @ x`` for x ``[K]``."""
    y = new_result(a, x, a.shape[:1], out)
    multiply(a, x, y[:, None])
    return y


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does; what is added to is read and written."""
    a, x = types
    (m, k), nnz = a.dims, a.nnz
    indices = float((nnz + k + 1) * a.index_itemsize)
    return Work(
        flops=2.0 * nnz,
        bytes=indices + float(nnz * a.itemsize + (2 * nnz + k + m) * x.itemsize),
        gathered=float(nnz),
        calls=2.0,
        unit="elementwise",
        indices=indices,
        rows=float(k),
    )


GPU = Level(run, None, work, takes_out=True, why_not=why_not)
