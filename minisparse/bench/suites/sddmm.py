"""SDDMM: a product of two dense matrices, wanted only where a sparse one has entries."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from minisparse.bench.patterns import draw_csr, draw_values
from minisparse.bench.products import TORCH, suited
from minisparse.bench.suite import Answer, Cell, Contender, Operands, Promise, Ready, Suite
from minisparse.core.dtypes import Array
from minisparse.core.extras import require

SIDES = (512, 1024, 4096)
DEPTHS = (32, 64, 128, 256)
DENSITIES = (0.1, 0.01, 0.001)
DTYPES = ("float32", "float64")
PATTERNS = ("unstructured", "banded", "16x16")
_LARGEST_GATHER = 250_000_000
"""Elements of what the naive gather lays out, so that it fits into memory."""


def _cells() -> list[Cell]:
    return [
        Cell(pattern, density, (side, side), depth, dtype)
        for pattern, density, side, depth, dtype in product(
            PATTERNS, DENSITIES, SIDES, DEPTHS, DTYPES
        )
        if side**2 * density * depth <= _LARGEST_GATHER
    ]


def _problem(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    """Draw A ``[M, N]``, X ``[M, D]`` and Y ``[D, N]``; a cell's columns are D."""
    m, n = cell.shape
    return {
        **draw_csr(rng, cell.pattern, (m, n), cell.density, cell.dtype),
        "x": draw_values(rng, (m, cell.columns), cell.dtype),
        "y": draw_values(rng, (cell.columns, n), cell.dtype),
    }


def _rows(operands: Operands) -> Array:
    counts = np.diff(operands["indptr"])
    return np.repeat(np.arange(len(counts)), counts)


def _answer(cell: Cell, operands: Operands) -> Answer:
    """Multiply densely in float64 and pick what is stored."""
    product = operands["x"].astype(np.float64) @ operands["y"].astype(np.float64)
    values = product[_rows(operands), operands["indices"]] * operands["data"]
    return Answer(values, float((cell.columns + 4) * np.finfo(cell.dtype).eps))


def _read(result: Any, operands: Operands) -> Array:
    """Return the stored values in the order of sorted rows."""
    from minisparse.formats import Matrix

    if isinstance(result, Matrix):
        return np.asarray(result.to("csr").data)
    return np.asarray(result.values() if getattr(result, "is_sparse_csr", False) else result)


def _ours(cell: Cell, operands: Operands) -> Ready:
    from minisparse.kernels import prepare

    a, x, y = suited(cell, operands), operands["x"], operands["y"]
    packed = prepare("sddmm", a, columns=cell.columns)
    return Ready(lambda: packed(x, y), str(a.type.layout))


def _gather(cell: Cell, operands: Operands) -> Ready:
    row, col, data = _rows(operands), operands["indices"], operands["data"]
    x, y = operands["x"], operands["y"]
    return Ready(lambda: (x[row] * y.T[col]).sum(axis=1) * data)


def _dense(cell: Cell, operands: Operands) -> Ready:
    row, col, data = _rows(operands), operands["indices"], operands["data"]
    x, y = operands["x"], operands["y"]
    return Ready(lambda: (x @ y)[row, col] * data)


def _torch(cell: Cell, operands: Operands) -> Ready:
    torch = require("torch", "torch", "comparing with PyTorch")
    x, y = torch.from_numpy(operands["x"]), torch.from_numpy(operands["y"])
    parts = (torch.from_numpy(operands[name]) for name in ("indptr", "indices", "data"))
    a = torch.sparse_csr_tensor(*parts, cell.shape)
    values = a.values()

    def call() -> Any:
        return torch.sparse.sampled_addmm(a, x, y, beta=0.0).values() * values

    return Ready(call, "csr")


def _cost(cell: Cell) -> Mapping[str, float]:
    side, depth = cell.shape[0], cell.columns
    wide = 2 if cell.dtype == "float64" else 1
    products = side**2 * cell.density * depth * wide
    whole = 2e-11 * side**2 * depth * wide + 4e-9 * side**2 * wide
    return {
        "ours": 1e-9 * products,
        "gather": 5e-9 * products,
        "dense": whole,
        "torch": 5e-9 * products,
    }


def _setup(cell: Cell) -> float:
    side = cell.shape[0]
    return 0.1 + 4e-8 * side**2 + 4e-11 * side**2 * cell.columns


SDDMM = Suite(
    "sddmm",
    "sddmm",
    "dense products sampled by a sparse matrix, square; columns are the depth D",
    _cells,
    _cost,
    _setup,
    _problem,
    _answer,
    _read,
    (
        Contender("ours", _ours, weighed=True),
        Contender("gather", _gather),
        Contender("dense", _dense),
        Contender("torch", _torch, (TORCH,)),
    ),
    ("gather",),
    tuple(Promise((p,), density, ("gather",), 0.4) for p, density in product(PATTERNS, DENSITIES)),
)
