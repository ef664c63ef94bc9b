"""For tests of the level ``library``: small operands, and libraries that only seem to be here."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix, from_triplets
from minisparse.kernels import PROVIDERS, execute, pack
from minisparse.kernels.library import Offer
from minisparse.ops import Op

ON_CPU = tuple(name for name, p in PROVIDERS.items() if p.place == "cpu")
"""Those whose operands lie where a test's usually do; the others: ``test_library_gpu.py``."""
EVERY = [(name, op, format) for name in ON_CPU for op, format in PROVIDERS[name].offers]
PRODUCTS = [(name, op, format) for name, op, format in EVERY if op in ("spmm", "spmv")]


def needed(name: str) -> None:
    if not PROVIDERS[name].is_installed:
        pytest.skip(PROVIDERS[name].missing)


def some_triplets(dtype: str = "float32", m: int = 60, k: int = 84, nnz: int = 900) -> Triplets:
    """Return entries without order, many cells twice."""
    rng = np.random.default_rng(3)
    data = rng.standard_normal(nnz).astype(dtype)
    return Triplets(rng.integers(0, m, nnz), rng.integers(0, k, nnz), data, (m, k))


def stored(triplets: Triplets, format: str, block: int = 3) -> Matrix:
    more: dict[str, Any] = {"block": (block, block)} if format == "bsr" else {}
    return from_triplets(triplets, format, canonical=False, **more)


def second(op: str, k: int, columns: int, dtype: str = "float32") -> Array:
    b = np.random.default_rng(4).standard_normal((k, columns)).astype(dtype)
    return b[:, 0].copy() if op == "spmv" else b


def computed(offer: Offer, op: Op, a: Matrix, b: Array, **more: Any) -> Any:
    with np.errstate(all="ignore"):
        return execute(op, offer.level, [pack(offer.level, a), b], {}, **more)


def pretend(monkeypatch: pytest.MonkeyPatch, **installed: bool) -> None:
    """Make providers look installed or missing."""
    for name, p in PROVIDERS.items():
        here = installed.get(name, False)
        monkeypatch.setitem(PROVIDERS, name, replace(p, is_found=partial(bool, here)))
