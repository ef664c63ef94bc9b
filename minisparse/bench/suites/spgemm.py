"""SpGEMM: a sparse matrix times another of the same pattern, both square.

A result of tens of millions of entries is not compared entry by entry: it is multiplied with a
vector of positive numbers, as A and B are one after the other (after Freivalds, 1977). Nothing can
cancel, so that a wrong entry shows unless it is smaller than rounding.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np

from minisparse.bench.patterns import draw_csr, draw_values
from minisparse.bench.products import (
    MKL,
    SCIPY,
    SPARSE_DOT_MKL,
    TORCH,
    as_csr,
    as_scipy,
    fits_dense,
    sum_tolerance,
)
from minisparse.bench.suite import Answer, Cell, Contender, Operands, Promise, Ready, Suite
from minisparse.core.dtypes import Array
from minisparse.core.extras import require

SIDES = (1024, 2048, 4096, 8192)
DENSITIES = (0.01, 0.003, 0.001)
DTYPES = ("float32", "float64")
PATTERNS = ("unstructured", "skewed")


def _cells() -> list[Cell]:
    return [
        Cell(pattern, density, (side, side), side, dtype)
        for pattern, density, side, dtype in product(PATTERNS, DENSITIES, SIDES, DTYPES)
    ]


def _problem(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    m, k = cell.shape
    a, b = (draw_csr(rng, cell.pattern, (m, k), cell.density, cell.dtype) for _ in range(2))
    renamed = {f"b_{name}": x for name, x in b.items()}
    return {**a, **renamed, "v": draw_values(rng, (k,), "float64")}


def _of_b(operands: Operands) -> Operands:
    return {name.removeprefix("b_"): x for name, x in operands.items() if name.startswith("b_")}


def _times_vector(parts: Operands, v: Array) -> Array:
    """Return a CSR matrix times a vector, in float64."""
    counts = np.diff(parts["indptr"])
    row = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(row, parts["data"] * v[parts["indices"]], len(counts))


def _answer(cell: Cell, operands: Operands) -> Answer:
    found = _times_vector(operands, _times_vector(_of_b(operands), operands["v"]))
    return Answer(found, sum_tolerance(np.diff(operands["indptr"]), cell.dtype))


def _read(result: Any, operands: Operands) -> Array:
    """Multiply a result with the vector, whatever it is stored as."""
    v = operands["v"]
    if isinstance(result, np.ndarray):
        return np.asarray(result @ v)
    if getattr(result, "is_sparse_csr", False):  # PyTorch's names
        parts = (result.values(), result.col_indices(), result.crow_indices())
    else:
        parts = (result.data, result.indices, result.indptr)
    named = zip(("data", "indices", "indptr"), map(np.asarray, parts), strict=True)
    return _times_vector(dict(named), v)


def _ours(cell: Cell, operands: Operands) -> Ready:
    from minisparse import spgemm

    a, b = as_csr(cell, operands), as_csr(cell, _of_b(operands))
    return Ready(lambda: spgemm(a, b), "csr")


def _scipy(sort: bool) -> Callable[[Cell, Operands], Ready]:
    def make(cell: Cell, operands: Operands) -> Ready:
        a, b = as_scipy(cell, operands), as_scipy(cell, _of_b(operands))

        def call() -> Any:
            c = a @ b
            if sort:
                c.sort_indices()
            return c

        return Ready(call, "csr, sorted" if sort else "csr, in no order")

    return make


def _dense(cell: Cell, operands: Operands) -> Ready:
    a, b = as_csr(cell, operands).to_dense(), as_csr(cell, _of_b(operands)).to_dense()
    return Ready(lambda: a @ b)


def _torch(cell: Cell, operands: Operands) -> Ready:
    torch = require("torch", "torch", "comparing with PyTorch")
    a, b = (
        torch.sparse_csr_tensor(
            *(torch.from_numpy(parts[name]) for name in ("indptr", "indices", "data")), cell.shape
        )
        for parts in (operands, _of_b(operands))
    )
    return Ready(lambda: a @ b, "csr")


def _sparse_dot_mkl(cell: Cell, operands: Operands) -> Ready:
    multiply = import_module("sparse_dot_mkl").dot_product_mkl
    sparse = require("scipy.sparse", "peers", "comparing with MKL")
    a, b = (
        sparse.csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape=cell.shape)
        for parts in (operands, _of_b(operands))
    )
    return Ready(lambda: multiply(a, b), "csr")


def _cost(cell: Cell) -> Mapping[str, float]:
    side = cell.shape[0]
    met = side * (side * cell.density) ** 2
    if cell.pattern == "skewed":  # long rows of B are met as often as short ones
        met *= 1.5
    wide = 2 if cell.dtype == "float64" else 1
    return {
        "ours": 4e-8 * met,
        "dense": 2e-11 * side**3 * wide,
        "scipy": 1.2e-8 * met,
        "scipy sorted": 4e-8 * met,
        "torch": 2e-8 * met,
        "sparse_dot_mkl": 2e-8 * met,
    }


def _setup(cell: Cell) -> float:
    side = cell.shape[0]
    return 0.1 + 2e-8 * side**2 + 3e-8 * 5 * side * (side * cell.density) ** 2


SPGEMM = Suite(
    "spgemm",
    "spgemm",
    "sparse times sparse, square, 1024 to 8192",
    _cells,
    _cost,
    _setup,
    _problem,
    _answer,
    _read,
    (
        Contender("ours", _ours, weighed=True),
        Contender("dense", _dense, takes=fits_dense),
        Contender("scipy", _scipy(sort=False), (SCIPY,)),
        Contender("scipy sorted", _scipy(sort=True), (SCIPY,)),
        Contender("torch", _torch, (TORCH,)),
        Contender("sparse_dot_mkl", _sparse_dot_mkl, (MKL, SPARSE_DOT_MKL, SCIPY)),
    ),
    ("scipy",),
    tuple(Promise((p,), density, ("scipy",), 2.0) for p, density in product(PATTERNS, DENSITIES)),
    largest_part=0.1,  # the largest are among those that the promise names
)
