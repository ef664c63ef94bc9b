"""Timings: products of a sparse matrix and a dense one, beside cuSPARSE, cuSPARSELt and cuBLAS."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np

from minisparse.bench.gpu.contest import (
    Call,
    Duel,
    contest,
    library_maker,
    on_card,
    our_makers,
    product64,
    ready,
    ways,
)
from minisparse.bench.gpu.part import Item, Part, SkippedItem
from minisparse.bench.patterns import PATTERNS, draw_values
from minisparse.core.dtypes import Array
from minisparse.core.extras import require
from minisparse.formats import from_dense
from minisparse.gpu.device import device_count
from minisparse.kernels import PROVIDERS
from minisparse.kernels.library.descriptors import Plan

SIZE = 4096
DENSITIES = (0.1, 0.01, 0.05, 0.02)
WIDTHS = (256, 1024, 64, 512, 128)
BLOCKS = ((32, 1024), (64, 1024), (32, 4096), (64, 4096), (32, 256), (64, 256))
WIDE = (4096, 1024, 256)
_QUICK = 3
_MMA_TWIN = r"our .*MMA_DENSE"


@cache
def weight(pattern: str, density: float, dtype: str) -> Array:
    """Return a square matrix of some pattern, values from 1 to 2."""
    rng = np.random.default_rng(0)
    mask = PATTERNS[pattern](rng, SIZE, SIZE, density)
    return np.where(mask, draw_values(rng, (SIZE, SIZE), dtype), 0).astype(dtype)


def blocks(side: int, density: float) -> Array:
    """Return a square float16 matrix of whole blocks."""
    rng = np.random.default_rng(0)
    kept = rng.random((SIZE // side, SIZE // side)) < density
    mask = np.kron(kept, np.ones((side, side), bool))
    return np.where(mask, draw_values(rng, (SIZE, SIZE), "float16"), 0).astype("float16")


def dense_beside(n: int, dtype: str) -> Array:
    """Return the matrix that it is multiplied with."""
    return draw_values(np.random.default_rng(1), (SIZE, n), dtype)


def stored(dense: Array, format: str, **layout: Any) -> Any:
    """Return a matrix in a format, on the card."""
    a: Any = from_dense(dense, format, **layout)
    return a.to_device("gpu")


def time_csr(density: float, n: int) -> Mapping[str, Any]:
    """Time CSR times dense in float32, unstructured."""
    dense, b = weight("unstructured", density, "float32"), dense_beside(n, "float32")
    a, x = stored(dense, "csr"), on_card(b)
    makers = our_makers("spmm", "csr", a, x)
    for name in ("cusparse", "cupyx"):
        makers[f"their {name}"] = library_maker(name, "spmm", "csr", a, x)
    makers["their cusparse CSR_ALG2"] = partial(_any_bits, a, x)
    makers["dense cuBLAS"] = library_maker("cublas", "spmm", "dense", on_card(dense), x)
    duels = [
        Duel("CSR over cuSPARSE", "our .*", "their .*", 1.0),
        Duel("CSR over dense cuBLAS", "our .*", "dense .*", 1.0),
    ]
    return contest(makers, product64(dense, b), duels)


def _any_bits(a: Any, b: Any) -> Call:
    """Return cuSPARSE's product in the way that its reference calls fastest for rows in order."""
    if not PROVIDERS["cusparse"].is_installed:
        raise SkippedItem(PROVIDERS["cusparse"].missing)
    cupy: Any = require("cupy", "gpu-cuda13", "bench gpu")
    c = cupy.empty((a.shape[0], b.shape[1]), b.dtype)
    plan = Plan(a, b, c, "CSR_ALG2")

    def call() -> Any:
        plan(b, c)
        return c

    return call


def time_blocks(side: int, n: int) -> Mapping[str, Any]:
    """Time BSR in float16 at density 0.2 beside the dense product."""
    dense, b = blocks(side, 0.2), dense_beside(n, "float16")
    a, x = stored(dense, "bsr", block=(side, side)), on_card(b)
    makers = our_makers("spmm", "bsr", a, x)
    makers["their cusparse"] = library_maker("cusparse", "spmm", "bsr", a, x)
    makers["dense cuBLAS"] = library_maker("cublas", "spmm", "dense", on_card(dense), x)
    duels = [
        Duel("BSR over dense cuBLAS", "our .*", "dense .*", 0.6),
        Duel("BSR over cuSPARSE", "our .*", "their .*", 1.0),
    ]
    return contest(makers, product64(dense, b), duels)


def time_2_4(n: int) -> Mapping[str, Any]:
    """Time 2:4 in float16 beside the same kernel without sparsity, and cuSPARSELt beside cuBLAS."""
    dense, b = weight("2:4", 0.5, "float16"), dense_beside(n, "float16")
    a, x, plain = stored(dense, "nm", n=2, m=4), on_card(b), on_card(dense)
    makers = our_makers("spmm", "nm", a, x)
    for name, level in ways("spmm", "dense"):
        makers[f"our {name}"] = partial(ready, level, plain, x)
    makers["their cusparselt"] = library_maker("cusparselt", "spmm", "nm", a, x)
    makers["dense cuBLAS"] = library_maker("cublas", "spmm", "dense", plain, x)
    duels = [
        Duel("2:4 over our dense twin", r"our .*(nm|NM).*", _MMA_TWIN, 0.75),
        Duel("cuSPARSELt over dense cuBLAS", "their cusparselt", "dense cuBLAS", 1.0),
        Duel("2:4 over cuSPARSELt", r"our .*(nm|NM).*", "their cusparselt", 1.0),
        Duel("our dense twin over cuBLAS", _MMA_TWIN, "dense cuBLAS", 1.6),
    ]
    return contest(makers, product64(dense, b), duels)


def _items(
    cells: Iterator[tuple[str, Callable[[], Mapping[str, Any]]]], quick: bool
) -> Iterator[Item]:
    if not device_count():
        raise SkippedItem("there is no card")
    for count, (name, run) in enumerate(cells):
        if not quick or count < _QUICK:
            yield Item(name, run)


def _csr(quick: bool) -> Iterator[Item]:
    cells = (
        (f"density {d}, N {n}", partial(time_csr, d, n)) for n, d in product(WIDTHS, DENSITIES)
    )
    return _items(cells, quick)


def _blocks(quick: bool) -> Iterator[Item]:
    cells = ((f"blocks {s}x{s}, N {n}", partial(time_blocks, s, n)) for s, n in BLOCKS)
    return _items(cells, quick)


def _2_4(quick: bool) -> Iterator[Item]:
    return _items(((f"2:4, N {n}", partial(time_2_4, n)) for n in WIDE), quick)


CSR_SPEED = Part("csr", "CSR float32, beside cuSPARSE", 50, _csr, order=100)
BSR_SPEED = Part("bsr", "BSR float16, beside dense cuBLAS", 30, _blocks, order=110)
NM_SPEED = Part("nm", "2:4, beside dense twin, cuSPARSELt, cuBLAS", 20, _2_4, order=120)
