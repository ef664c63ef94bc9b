"""Matrices of small whole numbers for kernels in CUDA C, whose sums are exact in any order."""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.formats import BSR
from minisparse.kernels import Level
from minisparse.kernels.spmm.mma_tiles import MMA_BSR, MMA_DENSE, MMA_NM
from minisparse.kernels.spmm.tiled_csr import TILED_CSR

LEVELS: dict[str, tuple[Level, str, Any]] = {
    "bsr16": (MMA_BSR, "bsr", (16, 16)),
    "bsr32": (MMA_BSR, "bsr", (32, 32)),
    "bsr64": (MMA_BSR, "bsr", (64, 64)),
    "nm": (MMA_NM, "nm", (2, 4)),
    "dense": (MMA_DENSE, "dense", None),
    "csr": (TILED_CSR, "csr", None),
}
every_level = pytest.mark.parametrize("name", LEVELS)
HALVES = ["float16", "bfloat16"]
SIZES = [(70, 50, 9), (130, 200, 136), (1, 1, 1), (64, 64, 64)]


def dtype_of(name: str) -> Any:
    if name == "bfloat16":
        return pytest.importorskip("ml_dtypes").bfloat16
    return np.dtype(name)


def whole(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-3, 4, shape).astype(np.float64)


def matrix(rng: np.random.Generator, name: str, m: int, k: int) -> Array:
    """Return whole numbers with a pattern that fits a format, and an empty row."""
    x = whole(rng, m, k)
    if name == "nm":
        groups = -(-k // 4)
        kept = rng.permuted(np.tile([True, True, False, False], (m, groups, 1)), axis=-1)
        x *= kept.reshape(m, -1)[:, :k]
    elif name.startswith("bsr"):
        size = int(name[3:])
        kept = rng.random((-(-m // size), -(-k // size))) < 0.5
        x *= np.kron(kept, np.ones((size, size)))[:m, :k]
    elif name == "csr":
        x *= rng.random((m, k)) < 0.3
    if m > 1:
        x[m // 2] = 0
    return x


def stored(name: str, x: Array, dtype: Any) -> Any:
    _, format, block = LEVELS[name]
    x = x.astype(dtype)
    if format == "dense":
        return x
    more: dict[str, Any] = {"nm": {"n": 2, "m": 4}, "bsr": {"block": block}}.get(format, {})
    return ms.from_dense(x, format, **more)


def as_bsr(x: Array, size: int) -> BSR:
    found = ms.from_dense(x, "bsr", block=(size, size))
    assert isinstance(found, BSR)
    return found


def aligned(x: Array) -> Array:
    """Return a copy that begins at a multiple of 16 bytes, as CuPy's arrays do."""
    room = np.empty(x.nbytes + 16, np.uint8)
    start = -room.ctypes.data % 16
    found = room[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    found[...] = x
    return found
