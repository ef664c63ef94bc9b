"""Checks: conversions on the card give the very arrays that they give on the host."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from minisparse.bench.gpu.operands import in_format
from minisparse.bench.gpu.part import FailedItem, Item, Part
from minisparse.core.triplets import Triplets
from minisparse.formats import FORMATS, Matrix

_LAYOUTS: Mapping[str, Mapping[str, Any]] = {"bsr": {"block": (4, 4)}, "nm": {"n": 4, "m": 4}}
_SHAPES = ((13, 9, 40), (200, 64, 900), (7, 300, 0), (64, 64, 3000))


def check_conversion(source: str, target: str) -> Mapping[str, Any]:
    """Convert matrices that are unsorted and repeat cells, here and there, and compare."""
    rng = np.random.default_rng(1)
    for dtype in ("float32", "float64", "float16", "int32", "complex64"):
        for m, k, nnz in _SHAPES:
            data = rng.integers(1, 9, nnz).astype(dtype)
            triplets = Triplets(rng.integers(0, m, nnz), rng.integers(0, k, nnz), data, (m, k))
            here: Any = in_format(triplets, source)
            layout = _LAYOUTS.get(target, {})
            wanted, found = here.to(target, **layout), here.to_device("gpu").to(target, **layout)
            compare(found.to_device("cpu"), wanted, f"{m}x{k} {dtype}, {nnz} entries")
    return {"matrices": 5 * len(_SHAPES)}


def check_dense(format: str) -> Mapping[str, Any]:
    """Write a matrix out as a plain array on the card, and compare."""
    rng = np.random.default_rng(2)
    for m, k, nnz in _SHAPES:
        data = rng.integers(1, 9, nnz).astype("float32")
        triplets = Triplets(rng.integers(0, m, nnz), rng.integers(0, k, nnz), data, (m, k))
        here: Any = in_format(triplets, format)
        if not np.array_equal(here.to_device("gpu").to_dense().get(), here.to_dense()):
            raise FailedItem(f"{m}x{k}, {nnz} entries: to_dense differs from the host's")
    return {"matrices": len(_SHAPES)}


def compare(found: Matrix, wanted: Matrix, what: str) -> None:
    """Raise FailedItem where two matrices have not the same arrays."""
    for name, array in wanted.arrays.items():
        other = found.arrays[name]
        if (other.dtype, other.shape) != (array.dtype, array.shape) or (other != array).any():
            raise FailedItem(
                f"{what}: '{name}' is {other.dtype}{list(other.shape)} on the card and "
                f"{array.dtype}{list(array.shape)} on the host, or holds other values"
            )


def _items(quick: bool) -> Iterator[Item]:
    for source in FORMATS:
        yield Item(f"{source} to dense", partial(check_dense, source))
        for target in FORMATS:
            if not quick or "csr" in (source, target):
                yield Item(f"{source} to {target}", partial(check_conversion, source, target))


CONVERSIONS = Part(
    "conversions",
    "conversions, beside the host's",
    20,
    _items,
    order=55,
    workers=6,
)
