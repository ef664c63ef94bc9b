"""SpMM on tensor cores: ``C = A @ B``, A in dense tiles of which some are stored, or 2:4.

The kernel is CUDA C, ``mma_tiles.cu``, because Python's language of threads has no words for tensor
cores; it takes BSR, n:m = 2:4, and plain matrices as their twin. Here its constants are chosen, and
it is launched. Given arrays of NumPy, :mod:`minisparse.kernels.spmm.mma_model` does the same steps.

What it should reach, and by what it is limited: what a step fetches from the cache of the card is
used for all tiles of a group, and still that is what limits small tiles at low densities.
docs/tensor_cores.md reckons it. Not yet run on a GPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.gpu.cuda_source import CudaSource
from minisparse.kernels.kernel import Finish, Level
from minisparse.kernels.spmm.cuda_epilogue import InKernel, in_kernel
from minisparse.kernels.spmm.tiles import (
    COLUMNS,
    ENOUGH,
    Tiles,
    prepare_bsr,
    prepare_dense,
    prepare_nm,
)

SOURCE = CudaSource("mma_tiles", Path(__file__).with_suffix(".cu"))
BLOCKS = (16, 32, 64)
"""Sizes of BSR's blocks, which are square, that are multiplied here."""
DTYPES = ("float16", "bfloat16")
_WARP = 64
"""Rows, and columns, of C that a warp owns at most: 128 registers of each lane are sums then."""
_WIDTHS = (256, 128, 64)
"""Columns of C that a block of threads may own. The swizzle needs 64."""
_STAGES = {16: 6, 32: 4, 64: 3}
"""Steps in shared memory, by the columns of A that each takes: about 100 KB at the largest."""
_MOST_ALONG_Y = 65535


@dataclass(frozen=True, slots=True)
class Shape:
    """The constants of the kernel that are sizes; see ``mma_tiles.cu``.

    Attributes
    ----------
    tile_m, tile_k : int
        Rows and columns of a tile of A.
    group : int
        Rows of tiles that a block of threads owns.
    tile_n : int
        Columns of C that it owns.
    stages : int
        Steps that are in shared memory.
    warps_m, warps_n : int
        Warps that share the rows, and the columns, of C.
    sparse : bool
        Whether tiles are 2:4.
    """

    tile_m: int
    tile_k: int
    group: int
    tile_n: int
    stages: int
    warps_m: int
    warps_n: int
    sparse: bool

    @property
    def macros(self) -> dict[str, int]:
        """Constants for the source."""
        names = "tile_m tile_k group tile_n stages warps_m warps_n sparse".split()
        return {name.upper(): int(getattr(self, name)) for name in names}

    @property
    def threads(self) -> int:
        """Of a block."""
        return 32 * self.warps_m * self.warps_n

    @property
    def values(self) -> int:
        """Pieces of 16 bytes of a tile's values."""
        return self.tile_m * self.tile_k // (2 if self.sparse else 1) // 8

    @property
    def metadata(self) -> int:
        """Pieces of 16 bytes of a tile's metadata."""
        return self.tile_m * self.tile_k // 128 if self.sparse else 0

    @property
    def row(self) -> int:
        """Pieces of 16 bytes in a row of B's tile."""
        return self.tile_n // 8

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block of threads."""
        tiles = self.group * (self.values + self.metadata)
        return 16 * self.stages * (tiles + self.tile_k * self.row)


@lru_cache(maxsize=256)  # to choose takes longer than to launch
def shape_for(tile: tuple[int, int], group: int, sparse: bool, n: int, groups: int) -> Shape:
    """Return the sizes to use.

    Parameters
    ----------
    tile : tuple of int
        Rows and columns of a tile.
    group : int
        Rows of tiles in a group.
    sparse : bool
        Whether tiles are 2:4.
    n : int
        Columns of B.
    groups : int
        How many groups there are.

    Examples
    --------
    >>> for group, n in ((8, 4096), (1, 4096), (1, 100)):
    ...     found = shape_for((32, 32), group, False, n, 1000)
    ...     print(found.tile_n, found.warps_m, found.warps_n)
    128 2 4
    256 1 4
    128 1 4
    """
    rows = tile[0] * group
    if group == 1:
        wide = [w for w in _WIDTHS if w < 2 * n and -(-n // w) * groups >= 2 * ENOUGH]
        sizes = ((wide or _WIDTHS[-1:])[0], 1, 4)
    elif tile[0] < _WARP:
        # Four warps along the columns, one for each tensor core: see the end of mma_tiles.cu.
        sizes = (COLUMNS, 2, 4)
    else:
        sizes = (COLUMNS, rows // _WARP, 2)
    tile_n, warps_m, warps_n = sizes
    return Shape(*tile, group, tile_n, _STAGES[tile[1]], warps_m, warps_n, sparse)


@lru_cache(maxsize=256)
def macros(
    shape: Shape, dtype: str, wide: bool, aligned: bool, bias: bool = False, relu: bool = False
) -> Mapping[str, int]:
    """Return all constants of the source, by the names of its macros."""
    flags = {"WIDE": wide, "ALIGNED": aligned, "BIAS": bias, "RELU": relu}
    flags["BFLOAT"] = dtype == "bfloat16"
    return MappingProxyType({**shape.macros, **{n: int(flag) for n, flag in flags.items()}})


def run(a: Tiles, b: Array, *, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Return ``C [M, N]``, computed where ``b`` lies.

    Parameters
    ----------
    a : Tiles
        What one of the ``prepare`` functions made.
    b : ndarray, shape (K, N)
        Of A's dtype.
    out : ndarray, shape (M, N), optional
        Where the result goes. Where it is float32, sums are not rounded to 16 bits.
    finish : Finish, optional
        The epilogue. Bias and ReLU are fused.
    """
    xp: Any = namespace(b)
    dtype = a.dtype if out is None else out.dtype
    usable = out is not None and out.flags.c_contiguous
    c: Any = out if usable else xp.empty((a.shape[0], b.shape[1]), dtype)
    if c.size:
        own = in_kernel(finish, c)
        shape = shape_for(a.tile, a.group, a.sparse, b.shape[1], len(a.order))
        if xp is np:
            from minisparse.kernels.spmm.mma_model import multiply_tiles

            multiply_tiles(a, b, c, shape, own)
        else:
            _launch(a, xp.ascontiguousarray(b), c, shape, own)
        own.afterwards(c)
    if out is not None and not usable:
        out[...] = c
        return out
    found: Array = c
    return found


def _launch(a: Tiles, b: Any, c: Any, shape: Shape, own: InKernel) -> None:
    m, n = c.shape
    aligned = n % 8 == 0 and b.data.ptr % 16 == 0 and c.data.ptr % 16 == 0
    wide = c.dtype == np.float32
    constants = macros(shape, a.dtype.name, wide, aligned, own.bias.size > 0, own.relu)
    grid = (len(a.order), -(-n // shape.tile_n))
    sizes = (np.int32(m), np.int32(n), np.int32(a.shape[1]))
    args = (a.order, a.indptr, a.steps, a.values, a.metadata, b, own.bias, c, *sizes)
    SOURCE.launch(grid, (shape.threads,), args, constants, shape.shared_bytes)


def why_not(types: Sequence[TensorType]) -> str:
    """Return why tensor cores cannot multiply operands of these types, or nothing if they can."""
    odd = sorted({t.dtype.name for t in types} - set(DTYPES))
    if odd:
        return f"mma_tiles is used for {' and '.join(DTYPES)} only, not for {', '.join(odd)}"
    if len({t.dtype for t in types}) > 1:
        return "tensor cores multiply float16 by float16, or bfloat16 by bfloat16"
    widest = _MOST_ALONG_Y * _WIDTHS[-1]
    if len(types) > 1 and isinstance(types[1].shape[-1], int) and types[1].shape[-1] > widest:
        return f"a grid has room for {widest} columns, and B has {types[1].shape[-1]}"
    return ""


def why_not_bsr(types: Sequence[TensorType]) -> str:
    """Return why BSR cannot be taken; nothing if it can.

    Examples
    --------
    >>> why_not_bsr([TensorType((8, 8), np.dtype("float16"), "bsr", 64, block=(4, 4))])
    'tiles of tensor cores are 16x16, 32x32 or 64x64, and blocks 4x4'
    """
    block = types[0].block
    if block is not None and (block[0] != block[1] or block[0] not in BLOCKS):
        sizes = [f"{size}x{size}" for size in BLOCKS]
        return (
            f"tiles of tensor cores are {', '.join(sizes[:-1])} or {sizes[-1]}, "
            f"and blocks {block[0]}x{block[1]}"
        )
    return why_not(types)


def why_not_nm(types: Sequence[TensorType]) -> str:
    """Return why n:m cannot be taken; nothing if it can."""
    if types[0].block != (2, 4):
        n, m = types[0].block or (0, 0)
        return f"sparse tensor cores multiply 2:4, not {n}:{m}"
    return why_not(types)


MMA_BSR = Level(run, prepare_bsr, fuses=True, why_not=why_not_bsr)
"""BSR on tensor cores."""
MMA_NM = Level(run, prepare_nm, fuses=True, why_not=why_not_nm)
"""2:4 on sparse tensor cores."""
MMA_DENSE = Level(run, prepare_dense, fuses=True, why_not=why_not)
"""A plain matrix on tensor cores: what the other two are to be compared with."""
