"""Checks: every level that the folder of SpMM declares, on products of odd sizes, fused and not.

Among them are those in CUDA C, which no simulator runs and which no kernel may have taken yet.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from minisparse.bench.gpu.contest import fault, on_card, ways
from minisparse.bench.gpu.operands import types_of
from minisparse.bench.gpu.part import FailedItem, Item, Part, SkippedItem
from minisparse.bench.patterns import draw_values
from minisparse.core.dtypes import Array
from minisparse.formats import from_dense
from minisparse.kernels import Level, execute, pack
from minisparse.ops import OPS

SIZES = ((64, 64, 32), (16, 16, 8), (128, 192, 64), (192, 64, 33), (64, 128, 1), (256, 512, 300))
"""M, K and N. Blocks have no padding in every kernel, so that M and K are multiples of 16."""
LAYOUTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "csr": ({},), "coo": ({},), "csc": ({},), "dense": ({},), "nm": ({"n": 2, "m": 4},),
    "bsr": tuple({"block": (side, side)} for side in (16, 32, 64)),
}  # fmt: skip
DTYPES = ("float16", "float32")
_LOW = -1e4
"""A bias below which no sum comes up, so that what a ReLU makes 0 is 0 exactly."""
_SHOWN = 4


def check_level(level: Level, format: str) -> Mapping[str, Any]:
    """Compute products of all sizes, with and without bias and ReLU, beside float64."""
    right, wrong, refused = 0, [], set()
    for dtype in DTYPES:
        for m, k, n in SIZES:
            for layout in LAYOUTS[format]:
                told = _one(level, format, layout, (m, k, n), dtype)
                right += told == ""
                if told.startswith("refuses: "):
                    refused.add(told)
                elif told:
                    wrong.append(f"{m}x{k}x{n} {dtype} {dict(layout)}: {told}")
    if wrong:
        raise FailedItem("\n".join([f"{len(wrong)} wrong, {right} right", *wrong[:_SHOWN]]))
    if not right:
        raise SkippedItem("; ".join(sorted(refused)))
    return {"right": right, "refused": sorted(refused)}


def _one(
    level: Level, format: str, layout: Mapping[str, Any], sizes: tuple[int, int, int], dtype: str
) -> str:
    """Return what is wrong with two products of some sizes; nothing where they are right."""
    m, k, n = sizes
    side = layout.get("block", (1, 1))[0]
    if m % side or k % side:
        return "refuses: blocks do not divide the matrix"
    rng = np.random.default_rng([m, k, n])
    dense = drawn(rng, m, k, dtype, side)
    b, bias = draw_values(rng, (k, n), dtype), np.where(np.arange(m) % 3, 1, _LOW).astype(dtype)
    a: Any = dense if format == "dense" else from_dense(dense, format, **layout)
    a, x, y = (on_card(a) if format == "dense" else a.to_device("gpu")), on_card(b), on_card(bias)
    why = level.why_not(types_of([a, x])) if level.why_not is not None else ""
    if why:
        return f"refuses: {why}"
    product = dense.astype(np.float64) @ b.astype(np.float64)
    finished = np.maximum(product + bias.astype(np.float64)[:, None], 0)
    packed = pack(level, a, n)
    for op, operands, wanted in (
        ("spmm", (packed, x), product),
        ("spmm_bias_relu", (packed, x, y), finished),
    ):
        off = fault(execute(OPS[op], level, operands, {}), on_card(wanted))
        if off:
            return f"{op}: {off}"
    return ""


def drawn(rng: np.random.Generator, m: int, k: int, dtype: str, side: int) -> Array:
    """Return a matrix of whole blocks, two of each four neighbors; some rows have none."""
    order = rng.random((m, k // 4, 4)).argsort(axis=2)
    mask = (order < 2).reshape(m, k)
    kept = rng.random((m // side, k // side)) < 0.5
    kept[0] = False
    mask &= np.kron(kept, np.ones((side, side), bool))
    return np.where(mask, draw_values(rng, (m, k), dtype), 0).astype(dtype)


def _items(quick: bool) -> Iterator[Item]:
    for format in LAYOUTS:
        for name, level in ways("spmm", format):
            yield Item(f"{name} of {format}", partial(check_level, level, format))


LEVELS = Part("levels", "every level of SpMM, CUDA C too, odd sizes", 30, _items, 30, workers=4)
