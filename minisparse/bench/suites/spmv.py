"""SpMV: one vector, where every stored entry is read and used once."""

from itertools import product

from minisparse.bench import products
from minisparse.bench.suite import Cell, Promise, Suite, read_array

SIDES = (512, 1024, 2048, 4096, 8192)
DENSITIES = (0.1, 0.01, 0.001)
DTYPES = ("float32", "float64")
PATTERNS = ("unstructured", "skewed", "banded", "rows", "16x16")


def _cells() -> list[Cell]:
    return [
        Cell(pattern, density, (side, side), 0, dtype)
        for pattern, density, side, dtype in product(PATTERNS, DENSITIES, SIDES, DTYPES)
    ]


SPMV = Suite(
    "spmv",
    "spmv",
    "SpMV on square matrices, 512 to 8192",
    _cells,
    products.cost,
    products.setup,
    products.problem,
    products.answer,
    read_array,
    products.contenders("spmv"),
    ("scipy",),
    tuple(Promise((p,), density, ("scipy",), 1.5) for p, density in product(PATTERNS, DENSITIES)),
    candidates=("ours", "dense"),
)
