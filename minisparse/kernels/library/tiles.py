"""Our own CUDA C, lent like a library: products in tiles, on tensor cores where the dtype has them.

These are no ``gpu`` levels because they are not for everything: float16 and bfloat16 in blocks of
16, 32 or 64 or at 2:4, and CSR in tiles of registers. As with libraries, a small product whose
result is known is tried on the card before one is offered, for no card has run them yet: see
docs/tensor_cores.md.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.card import EXTRA, found, must_lie_on_card, offer
from minisparse.kernels.library.provider import Offer, Provider

_TITLE = "minisparse's CUDA C"
_FOUND = found("cupy")


@cache
def _level(module: str, name: str) -> Level:
    """Return a level of the folder ``spmm``, imported now: few plans need it."""
    level: Level = getattr(import_module(f"minisparse.kernels.spmm.{module}"), name)
    return level


def _offer(format: str, module: str, name: str) -> Offer:
    """Return an offer of a level, without what it does for arrays of the host: a model."""

    def prepare(a: Any, columns: int = 256) -> Any:
        must_lie_on_card(_TITLE, *(a.arrays.values() if isinstance(a, Matrix) else (a,)))
        pack = _level(module, name).prepare
        assert pack is not None
        return pack(a, columns)

    def run(a: Any, b: Array, **more: Any) -> Array:
        must_lie_on_card(_TITLE, b)
        c: Array = _level(module, name).run(a, b, **more)
        return c

    def why_not(types: Sequence[TensorType]) -> str:
        refuses = _level(module, name).why_not
        assert refuses is not None
        return refuses(types)

    level = Level(run, prepare, fuses=True, why_not=why_not)
    return offer(_TITLE, _FOUND, ("spmm", format), level, why_not)


TILES = Provider(
    "tiles",
    _TITLE,
    "cupy-cuda13x cupy-cuda12x cupy",
    EXTRA,
    _FOUND,
    {
        ("spmm", "bsr"): _offer("bsr", "mma_tiles", "MMA_BSR"),
        ("spmm", "nm"): _offer("nm", "mma_tiles", "MMA_NM"),
        ("spmm", "csr"): _offer("csr", "tiled_csr", "TILED_CSR"),
        ("spmm", "dense"): _offer("dense", "mma_tiles", "MMA_DENSE"),
    },
    place="gpu",
)
