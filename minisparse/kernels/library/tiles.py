"""Our own CUDA C, lent like a library: products in tiles, on tensor cores where the dtype has them.

These are no ``gpu`` levels because they are not for everything: float16 and bfloat16 in blocks of
16, 32 or 64 or at 2:4, and CSR in tiles of registers. As with libraries, a small product whose
result is known is tried on the card before one is offered, for no card has run them yet: see
docs/tensor_cores.md.
"""

from dataclasses import replace
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.card import EXTRA, found, must_lie_on_card, offer
from minisparse.kernels.library.provider import Offer, Provider
from minisparse.kernels.spmm.mma_tiles import MMA_BSR, MMA_DENSE, MMA_NM
from minisparse.kernels.spmm.tiled_csr import TILED_CSR

_TITLE = "minisparse's CUDA C"
_FOUND = found("cupy")


def _offer(format: str, level: Level) -> Offer:
    """Return an offer of a level, without what it does for arrays of the host: a model."""
    pack, multiply, why_not = level.prepare, level.run, level.why_not
    assert pack is not None
    assert why_not is not None

    def prepare(a: Any, columns: int = 256) -> Any:
        must_lie_on_card(_TITLE, *(a.arrays.values() if isinstance(a, Matrix) else (a,)))
        return pack(a, columns)

    def run(a: Any, b: Array, **more: Any) -> Array:
        must_lie_on_card(_TITLE, b)
        c: Array = multiply(a, b, **more)
        return c

    return offer(
        _TITLE, _FOUND, ("spmm", format), replace(level, prepare=prepare, run=run), why_not
    )


TILES = Provider(
    "tiles",
    _TITLE,
    "cupy-cuda13x cupy-cuda12x cupy",
    EXTRA,
    _FOUND,
    {
        ("spmm", "bsr"): _offer("bsr", MMA_BSR),
        ("spmm", "nm"): _offer("nm", MMA_NM),
        ("spmm", "csr"): _offer("csr", TILED_CSR),
        ("spmm", "dense"): _offer("dense", MMA_DENSE),
    },
    place="gpu",
)
