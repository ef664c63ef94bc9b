"""The steps of ``mma_tiles.cu`` in NumPy: the same tiles, addresses, fragments, warp by warp.

For reading beside the CUDA C, and for testing its packing, its addresses and its order of copies on
a CPU. Names are those of the source. Copies arrive at once here; sums within an instruction are in
an order of NumPy's.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.gpu.tensor_cores import PIECE, C, ldmatrix_trans, mma, mma_sp, swizzled
from minisparse.kernels.spmm.cuda_epilogue import InKernel
from minisparse.kernels.spmm.mma_tiles import Shape
from minisparse.kernels.spmm.tiles import Tiles

LANES = np.arange(32)


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of shared memory: what one step multiplies.

    Attributes
    ----------
    mask : int
        A bit for each row of the group that has a tile.
    values : ndarray, shape (tiles, parts, pieces, 32, 8)
        The fragments of these tiles.
    metadata : ndarray of uint32, shape (tiles, parts, pieces / 2, 32)
        Of 2:4 tiles.
    tile : ndarray, shape (pieces, 8)
        Rows of B, swizzled.
    """

    mask: int
    values: Array
    metadata: Array
    tile: Array


def multiply_tiles(a: Tiles, b: Array, c: Array, shape: Shape, own: InKernel) -> None:
    """Write ``A @ B``, finished, to ``c``.

    Parameters
    ----------
    a : Tiles
        A, packed.
    b : ndarray, shape (K, N)
        B.
    c : ndarray, shape (M, N)
        Where the result goes.
    shape : Shape
        The constants of the kernel.
    own : InKernel
        What follows the product.
    """
    columns = -(-b.shape[1] // shape.tile_n)
    for y, x in product(range(columns), range(len(a.order))):
        _block_of_threads(a, b, c, shape, own, int(a.order[x]), y * shape.tile_n)


def _block_of_threads(
    a: Tiles, b: Array, c: Array, shape: Shape, own: InKernel, group: int, n0: int
) -> None:
    """Do what one block of threads does: a group of rows, and ``tile_n`` columns from n0 on."""
    steps = a.steps[a.indptr[group] : a.indptr[group + 1]]
    owned, cols_8 = shape.group // shape.warps_m, shape.tile_n // shape.warps_n // 8
    sums = np.zeros(
        (shape.warps_m, shape.warps_n, owned, shape.tile_m // 16, cols_8, 32, 4), np.float32
    )
    stages: list[Stage | None] = [None] * shape.stages

    def fetched(number: int) -> None:
        if number < len(steps):
            stages[number % shape.stages] = fetch(a, b, shape, steps[number], n0)

    for number in range(shape.stages - 1):
        fetched(number)
    for number in range(len(steps)):
        fetched(number + shape.stages - 1)
        stage = stages[number % shape.stages]
        assert stage is not None
        for warp_m, warp_n in product(range(shape.warps_m), range(shape.warps_n)):
            multiply(stage, shape, warp_m, warp_n, sums[warp_m, warp_n])
    _store(c, sums, shape, own, group * shape.group * shape.tile_m, n0)


def fetch(a: Tiles, b: Array, shape: Shape, step: Array, n0: int) -> Stage:
    """Return what one step multiplies, as it lies in shared memory.

    Parameters
    ----------
    a, b, shape
        As for :func:`multiply_tiles`.
    step : ndarray of int32, shape (4,)
        One of A's.
    n0 : int
        Where the columns of B begin.
    """
    k0, mask, slot = (int(x) for x in step[:3])
    tiles = slice(slot, slot + mask.bit_count())
    near = np.zeros((shape.tile_k, shape.tile_n), a.dtype)
    inside = b[k0 : k0 + shape.tile_k, n0 : n0 + shape.tile_n]
    near[: inside.shape[0], : inside.shape[1]] = inside
    k, piece = np.indices((shape.tile_k, shape.row))
    rows = np.empty((shape.tile_k * shape.row, PIECE), a.dtype)
    rows[swizzled(k, piece, shape.row)] = near.reshape(shape.tile_k, shape.row, PIECE)
    return Stage(mask, a.values[tiles].view(a.dtype), a.metadata[tiles], rows)


def multiply(stage: Stage, shape: Shape, warp_m: int, warp_n: int, sums: Array) -> None:
    """Add the product of one stage to a warp's sums.

    Parameters
    ----------
    stage : Stage
        In shared memory.
    shape : Shape
        The constants of the kernel.
    warp_m, warp_n : int
        Which warp.
    sums : ndarray of float32, shape (own, rows_16, cols_8, 32, 4)
        Its fragments of C.
    """
    owned, rows_16, cols_8 = sums.shape[:3]
    for r in range(owned):
        row = warp_m * owned + r
        if not stage.mask >> row & 1:
            continue
        at = (stage.mask & ((1 << row) - 1)).bit_count()  # its place among the step's tiles
        for k, a in enumerate(stage.values[at]):
            if shape.sparse:
                pieces = warp_n * cols_8 + np.arange(cols_8)[:, None]
                b = ldmatrix_trans(stage.tile, swizzled(k * 32 + LANES, pieces, shape.row))
                for i in range(rows_16):
                    word = stage.metadata[at, k, i // 2]
                    sums[r, i] = mma_sp(sums[r, i], a[i], b, word, i % 2)
            else:
                pieces = warp_n * cols_8 + 2 * np.arange(cols_8 // 2)[:, None] + LANES // 16
                pairs = ldmatrix_trans(stage.tile, swizzled(k * 16 + LANES % 16, pieces, shape.row))
                b = np.stack([pairs[..., :4], pairs[..., 4:]], axis=1).reshape(cols_8, 32, 4)
                sums[r] = mma(sums[r], a[:, None], b)


def _store(c: Array, sums: Array, shape: Shape, own: InKernel, m0: int, n0: int) -> None:
    """Write what of a block's sums lies within C, finished step by step as separate ops would."""
    tiles = C.unpack(sums)  # warp_m, warp_n, r, i, j, 16, 8
    rows = shape.group * shape.tile_m
    whole = tiles.transpose(0, 2, 3, 5, 1, 4, 6).reshape(rows, shape.tile_n)
    here: Any = c[m0 : m0 + rows, n0 : n0 + shape.tile_n]
    here[...] = whole[: here.shape[0], : here.shape[1]]
    if own.bias.size:
        here += own.bias[m0 : m0 + len(here), None]
    if own.relu:
        here[here < 0] = 0
