"""SpMM in the shapes of networks' layers: the suite that most of the promises are about."""

from itertools import product

from minisparse.bench import products
from minisparse.bench.patterns import PATTERNS
from minisparse.bench.suite import Cell, Promise, Suite, read_array

SHAPES = (
    (512, 512),  # a small transformer's attention (T5 small), late ResNet blocks as 1x1
    (512, 1024),
    (768, 768),  # BERT base, ViT-B: attention
    (3072, 768),  # and the two layers of its feed-forward part
    (768, 3072),
    (1024, 1024),  # BERT large, ViT-L
    (3072, 1024),  # query, key and value in one
    (4096, 1024),
    (1024, 4096),
    (4096, 4096),  # LLaMA 7B: attention
)
"""M and K of the pairs that networks have, out of 512, 768, 1024, 3072, 4096."""
COLUMNS = (1, 16, 64, 128, 256, 1024)
DENSITIES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
DTYPES = ("float32", "float64")
_LEAST_COLUMNS = 64
_TWO_OF_FOUR = 0.5


def _cells() -> list[Cell]:
    return [
        Cell(pattern, density, shape, columns, dtype)
        for pattern, density, shape, columns, dtype in product(
            PATTERNS, DENSITIES, SHAPES, COLUMNS, DTYPES
        )
        if pattern != "2:4" or density == _TWO_OF_FOUR
    ]


def _promises() -> tuple[Promise, ...]:
    large, dense = ("16x16", "32x32"), ("dense",)
    blocks = [
        Promise(large, density, (peer,), limit)
        for density, of_dense in ((0.2, 0.45), (0.1, 0.27))
        for peer, limit in (("dense", of_dense), ("scipy", 0.25), ("mkl", 0.5), ("torch", 0.5))
    ]
    small = [
        Promise(("4x4",), density, dense, limit) for density, limit in ((0.2, 0.65), (0.1, 0.45))
    ]
    lines = [
        Promise((pattern,), density, dense, round(density + 0.05, 3))
        for pattern in ("rows", "columns")
        for density in DENSITIES
    ]
    anywhere = [
        Promise(("unstructured",), density, (peer,), limit)
        for density, of_dense, of_scipy in ((0.1, 1.0, 0.8), (0.05, 0.65, 1.0), (0.01, 0.2, 1.6))
        for peer, limit in (("dense", of_dense), ("scipy", of_scipy))
    ]
    return (*blocks, *small, *lines, *anywhere)


DNN = Suite(
    "dnn",
    "spmm",
    "SpMM in the shapes of networks' layers",
    _cells,
    products.cost,
    products.setup,
    products.problem,
    products.answer,
    read_array,
    products.contenders("spmm"),
    ("dense",),
    _promises(),
    lambda cell: cell.columns >= _LEAST_COLUMNS,
    f"cells of N >= {_LEAST_COLUMNS}",
    candidates=("ours", "dense"),
)
