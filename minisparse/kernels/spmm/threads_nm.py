"""SpMM on n:m by threads: a lane owns an element of C, and all rows take equally long.

::

    row m, groups of 4       a . . a | . a a .      2 of 4 are stored, with their places
    data[m, :]               a   a     a   a
    positions[m, :]          0   3     1   2        slot p is in column p // 2 * 4 + position

Neighboring lanes have neighboring columns of C, and so read neighboring elements of B's rows. The
groups are known without an indptr, and no thread waits for a longer row. Cards with sparse tensor
cores multiply 2:4 faster; here the groups may have any size. Each element is summed by one thread,
slot after slot: the same bits at every call. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM, Pattern
from minisparse.gpu import jit, thread_program
from minisparse.kernels.kernel import Finish, Level, Work
from minisparse.kernels.registers import Registers, put
from minisparse.kernels.spmm.threads import (
    MOST_ALONG_Y,
    THREADS,
    fitting,
    in_blocks,
    new_result,
    own_elements,
    why_not,
)
from minisparse.kernels.spmv import threads_nm as spmv
from minisparse.ops import Attrs

wide: Any = np.float32
kept, size = 2, 4


@thread_program
def spmm_groups_per_lane(
    data: Array,
    positions: Array,
    b: Array,
    c: Array,
    first: Array,
    second: Array,
    rows: int,
    inner: int,
    columns: int,
    groups: int,
) -> None:
    """Sum ``C[m, n]`` over the groups of row m, of ``size`` columns with ``kept`` stored each.

    The last group may reach beyond the matrix: what is stored there is padding.
    """
    m = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    start = np.int32(jit.blockIdx.y * jit.blockDim.x + jit.threadIdx.x)
    if m < rows:
        for n in range(start, columns, np.int32(jit.gridDim.y * jit.blockDim.x)):
            total = wide(0)
            for group in range(groups):
                for j in range(kept):
                    p = group * kept + j
                    k = group * size + np.int32(positions[m, p])
                    if k < inner:
                        total += wide(data[m, p]) * wide(b[k, n])
            put(total, c, m, n, first, second)


def multiply(a: NM, b: Array, c: Array, own: Registers) -> None:
    """Write ``A @ B`` to c, which has elements."""
    (m, n), inner = c.shape, b.shape[0]
    if n == 1:
        spmv.multiply(a, b[:, 0], c, own)
        return
    program = spmm_groups_per_lane.bind(
        wide=accumulator(c.dtype).type, put=own.put, kept=a.n, size=a.m
    )
    width = fitting(n, jit.WARP)
    high = fitting(m, THREADS // width)
    groups = a.data.shape[1] // a.n
    args = (a.data, a.positions, b, c, own.first, own.second, m, inner, n, groups)
    grid = in_blocks(m, high), min(in_blocks(n, width), MOST_ALONG_Y)
    program(grid, (width, high), args)


def run(a: NM, b: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``A @ B`` for B ``[K, N]``."""
    c = new_result(a, b, (a.shape[0], b.shape[1]), out)
    return own_elements(c, finish, lambda own: multiply(a, b, c, own))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does, padding included: A once for each tile."""
    a, b = types
    n, nnz, m = b.dims[1], a.nnz, a.dims[0]
    tiles = in_blocks(n, jit.WARP)
    indices = float(tiles * nnz * a.index_itemsize)
    if n == 1:
        return spmv.work(pattern, (a, TensorType(b.shape[:1], b.dtype)))
    return Work(
        flops=2.0 * nnz * n,
        bytes=indices + float(tiles * nnz * a.itemsize + (nnz + m) * n * b.itemsize),
        gathered=float(nnz * n),
        unit="elementwise",
        indices=indices,
        rows=float(tiles * m),
    )


GPU = Level(run, None, work, fuses=True, why_not=why_not)
