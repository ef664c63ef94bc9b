"""SpMV on BSR by threads: a row of all blocks of a block row in some lanes of a warp.

::

    block row i       | a a a a |   | a a a a |   | a a a a |     row y of each block: c values side
    lane              | 0 1 2 3 |   | 4 5 6 7 |   | 0 1 2 3 |     by side, one after another

One index serves the r * c values of a block, and lanes read c values side by side. Sums are made in
a fixed order. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.registers import Registers, put
from minisparse.kernels.spmm.threads import in_blocks, why_not
from minisparse.kernels.spmv.lanes import by_lanes, lanes_for, own_vector, sum_of_lanes
from minisparse.ops import Attrs

wide: Any = np.float32
lanes, height, width = 32, 32, 32


@thread_program
def spmv_block_row_per_warp(
    data: Array,
    indices: Array,
    indptr: Array,
    x: Array,
    y: Array,
    first: Array,
    second: Array,
    rows: int,
    inner: int,
) -> None:
    """Sum row m of A times x in ``lanes`` lanes, through the blocks of its block row."""
    lane = np.int32(jit.threadIdx.x)
    m = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    total = wide(0)
    if m < rows:
        i = m // height
        within = m % height
        start = indptr[i]
        for q in range(lane, (indptr[i + 1] - start) * width, lanes):
            p = start + q // width
            z = q % width
            k = indices[p] * width + z
            if k < inner:
                total += wide(data[p, within, z]) * wide(x[k])
    total = sum_of_lanes(total)
    if lane == 0 and m < rows:
        put(total, y, m, 0, first, second)


def multiply(a: BSR, x: Array, y: Array, own: Registers) -> None:
    """Write ``A @ x`` to ``y``, which is ``[M, 1]``."""
    (m, inner), (r, c) = a.shape, a.block
    program = spmv_block_row_per_warp.bind(put=own.put, height=r, width=c)
    args = (a.data, a.indices, a.indptr, x, y, own.first, own.second, m, inner)
    mean = in_blocks(a.nnz, max(m, 1))
    by_lanes(program, args, m, max(lanes_for(mean), 2), y.dtype)


def run(a: BSR, x: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ x`` for x ``[K]``."""
    return own_vector(a, x, out, finish, multiply)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does: A, c elements of x for each row of a block, and y."""
    a, x = types
    c, m = (a.block or (1, 1))[1], a.dims[0]
    indices = float((a.nnz // c + 2 * m) * a.index_itemsize)
    return Work(
        flops=2.0 * a.nnz,
        bytes=indices + a.nnz * (a.itemsize + x.itemsize) + m * x.itemsize,
        gathered=float(a.nnz),
        unit="elementwise",
        indices=indices,
        rows=float(m),
    )


GPU = Level(run, None, work, fuses=True, why_not=why_not)
