"""SpMV on n:m by threads: a row in some lanes of a warp, all rows equally long.

Lanes read neighboring values and positions; with no indptr to ask, a row is found by
multiplication. Sums are made in a fixed order. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.registers import Registers, put
from minisparse.kernels.spmm.threads import why_not
from minisparse.kernels.spmv.lanes import by_lanes, lanes_for, own_vector, sum_of_lanes
from minisparse.ops import Attrs

wide: Any = np.float32
lanes, kept, size = 32, 2, 4


@thread_program
def spmv_groups_per_warp(
    data: Array,
    positions: Array,
    x: Array,
    y: Array,
    first: Array,
    second: Array,
    rows: int,
    inner: int,
    slots: int,
) -> None:
    """Sum row m of A times x in ``lanes`` lanes: slot p of a row is that of lane ``p % lanes``."""
    lane = np.int32(jit.threadIdx.x)
    m = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    total = wide(0)
    if m < rows:
        for p in range(lane, slots, lanes):
            k = p // kept * size + np.int32(positions[m, p])
            if k < inner:
                total += wide(data[m, p]) * wide(x[k])
    total = sum_of_lanes(total)
    if lane == 0 and m < rows:
        put(total, y, m, 0, first, second)


def multiply(a: NM, x: Array, y: Array, own: Registers) -> None:
    """Write ``A @ x`` to ``y``, which is ``[M, 1]``."""
    m, slots = a.data.shape
    program = spmv_groups_per_warp.bind(put=own.put, kept=a.n, size=a.m)
    args = (a.data, a.positions, x, y, own.first, own.second, m, len(x), slots)
    by_lanes(program, args, m, max(lanes_for(slots), 2), y.dtype)


def run(a: NM, x: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ x`` for x ``[K]``."""
    return own_vector(a, x, out, finish, multiply)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does: A, an element of x for each slot, and y."""
    a, x = types
    indices = float(a.nnz * a.index_itemsize)
    return Work(
        flops=2.0 * a.nnz,
        bytes=indices + a.nnz * (a.itemsize + x.itemsize) + a.dims[0] * x.itemsize,
        gathered=float(a.nnz),
        unit="elementwise",
        indices=indices,
        rows=float(a.dims[0]),
    )


GPU = Level(run, None, work, fuses=True, why_not=why_not)
