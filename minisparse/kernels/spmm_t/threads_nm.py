"""Transposed SpMM on n:m by threads: some lanes for each row of A, which add atomically to C.

::

    row m            lane n has B[m, n] in a register, and for each slot (k, a) of the row
                     adds a * B[m, n] to C[k, n]

Sums are made in the order in which threads happen to add. Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM, Pattern
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
from minisparse.ops import Attrs

wide: Any = np.float32
summed: Any = np.float32
kept, size = 2, 4


@thread_program
def spmm_t_row_per_lanes(
    data: Array,
    positions: Array,
    b: Array,
    sums: Array,
    rows: int,
    inner: int,
    columns: int,
    slots: int,
) -> None:
    """Add row m of A, times an element of row m of B, to a column of C in each lane."""
    m = np.int32(jit.blockIdx.x * jit.blockDim.y + jit.threadIdx.y)
    start = np.int32(jit.blockIdx.y * jit.blockDim.x + jit.threadIdx.x)
    if m < rows:
        for n in range(start, columns, np.int32(jit.gridDim.y * jit.blockDim.x)):
            factor = wide(b[m, n])
            for p in range(slots):
                k = p // kept * size + np.int32(positions[m, p])
                if k < inner:
                    jit.atomic_add(sums, (k, n), summed(wide(data[m, p]) * factor))


def multiply(a: NM, b: Array, c: Array) -> Array:
    """Write ``A.T @ B`` to c, and return it."""

    def launch(sums: Array, real: Any, total: Any) -> None:
        (m, slots), (inner, n) = a.data.shape, sums.shape
        width = fitting(n, jit.WARP)
        high = fitting(m, THREADS // width)
        program = spmm_t_row_per_lanes.bind(wide=real, summed=total, kept=a.n, size=a.m)
        grid = in_blocks(m, high), min(in_blocks(n, width), MOST_ALONG_Y)
        if m:
            args = (a.data, a.positions, b, sums, m, inner, n, slots)
            program(grid, (width, high), args)

    return add_elements(c, launch)


def run(a: NM, b: Array, out: Array | None = None) -> Array:
    """Return ``A.T @ B`` for B ``[M, N]``."""
    return multiply(a, b, new_result(a, b, (a.shape[1], b.shape[1]), out))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what a product does; what is added to is read and written."""
    a, b = types
    (m, n), nnz, k = b.dims, a.nnz, a.dims[1]
    tiles = in_blocks(n, jit.WARP)
    indices = float(tiles * nnz * a.index_itemsize)
    return Work(
        flops=2.0 * nnz * n,
        bytes=indices + float(tiles * nnz * a.itemsize + (2 * nnz + m + k) * n * b.itemsize),
        gathered=float(nnz * n),
        calls=2.0,
        unit="elementwise",
        indices=indices,
        rows=float(tiles * m),
    )


GPU = Level(run, None, work, takes_out=True, why_not=why_not)
