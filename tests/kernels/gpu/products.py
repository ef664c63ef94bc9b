"""Products by threads, each way by name; and what stands in the simulator's place to watch them."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import CSR, Matrix, from_dense
from minisparse.gpu import ThreadProgram
from minisparse.gpu.program import Program
from minisparse.kernels import KERNELS, execute, pack
from minisparse.kernels.registers import DTYPES
from minisparse.kernels.spmm import threads_csr as spmm
from minisparse.kernels.spmv import threads_csr as spmv
from minisparse.ops.hard_matrices import hard_matrices, random_triplets
from tests.kernels.reference import hold

FORMATS = ("csr", "csc", "coo", "bsr", "nm")
OWNED = {"spmv": ("csr", "bsr", "nm"), "spmm": ("csr", "bsr", "nm"),
         "spmm_t": ("csc", "bsr"), "dsmm": ("csc", "bsr")}  # fmt: skip
"""Formats whose threads own what they write, and so sum in a fixed order."""

Way = Callable[..., Array]

VECTORS: dict[str, Way] = {
    "row per thread": spmv.row_per_thread,
    **{f"{width} lanes a row": partial(spmv.row_per_warp, width=width) for width in (2, 8, 32)},
    "pieces of 32 x 2 steps": partial(spmv.equal_pieces, threads=32, items=2),
    "pieces of 8 x 3 steps": partial(spmv.equal_pieces, threads=8, items=3),
    "pieces of 1 x 1 steps": partial(spmv.equal_pieces, threads=1, items=1),
    "pieces as they come": spmv.equal_pieces,
}
"""Ways from a CSR matrix and a vector to their product."""

MATRICES: dict[str, Way] = {
    "lanes for columns": spmm.row_per_lanes,
    **{f"warps of {width}": partial(spmm.row_per_warp, width=width) for width in (32, 64, 128)},
    "warps as fits": spmm.row_per_warp,
}
"""Ways from a CSR matrix and a matrix to their product."""


def problems(seed: int = 0) -> Iterator[tuple[str, Triplets]]:
    """Yield hard matrices of the dtypes that threads have, and some with a row of many pieces."""
    rng = np.random.default_rng(seed)
    for label, t in hard_matrices(rng):
        if t.data.dtype.name in DTYPES:
            yield label, t
    for dtype in ("float32", "int16", "int64"):
        row = np.concatenate([np.repeat([3, 4, 30], [5, 400, 200]), np.arange(10, 30)])
        col = rng.integers(0, 50, len(row))
        data = rng.integers(1, 9, len(row)).astype(dtype)
        yield f"two long rows, {dtype}", Triplets(row, col, data, (31, 50))


def pruned(rng: np.random.Generator, dtype: str, shape: tuple[int, int] = (15, 11)) -> Triplets:
    """Return a random matrix with an empty row, no multiple of a block of 4."""
    t = random_triplets(rng, shape, 0.3, dtype)
    keep = t.row != 2
    return Triplets(t.row[keep], t.col[keep], t.data[keep], t.shape)


def stored(t: Triplets, format: str) -> Matrix | None:
    """Return a matrix in a format; None where it has no place for a cell stored twice."""
    found: Matrix | None = hold(t, format, (2, 4) if format == "nm" else (4, 3))
    return found


def by_rows(t: Triplets) -> CSR:
    """Return a matrix in CSR, its entries in the order of the triplets."""
    found = hold(t, "csr")
    assert isinstance(found, CSR)
    return found


def rows_of(x: Array) -> CSR:
    """Return a plain matrix in CSR."""
    found = from_dense(x, "csr")
    assert isinstance(found, CSR)
    return found


def operands_of(op: str, a: Matrix, rng: np.random.Generator, columns: int) -> list[Any]:
    """Return operands for an op's kernel, small whole numbers beside the matrix."""
    (m, k), dtype = a.shape, a.dtype
    shapes: dict[str, tuple[int, ...]] = {
        "spmv": (k,), "spmm": (k, columns), "spmm_t": (m, columns), "dsmm": (columns, m)
    }  # fmt: skip
    b = rng.integers(0, 4, shapes[op]).astype(dtype)
    return [b, a] if op == "dsmm" else [a, b]


def run(op: str, a: Matrix, operands: Sequence[Any], level: str = "gpu") -> Array:
    """Return the product by a level of the kernel for the matrix's format."""
    kernel = KERNELS[f"{op}_{a.format}"]
    found = kernel.levels[level]
    given = [pack(found, x) if x is a else x for x in operands]
    with np.errstate(all="ignore"):
        result: Array = execute(kernel.op, found, given)
    return result


def every_launch(columns: Sequence[int], dtype: str) -> Iterator[Callable[[], Array]]:
    """Yield products in all ways, which between them launch every program."""
    rng = np.random.default_rng(5)
    t = pruned(rng, dtype)
    for format in FORMATS:
        a = stored(t, format)
        assert a is not None
        for op in ("spmv", "spmm", "spmm_t", "dsmm"):
            for n in columns if op != "spmv" else (1,):
                yield partial(run, op, a, operands_of(op, a, rng, n))
    a = by_rows(t)
    x, b = np.ones(t.shape[1], dtype), np.ones((t.shape[1], 5), dtype)
    yield from (partial(way, a, x) for way in VECTORS.values())
    yield from (partial(way, a, b) for way in MATRICES.values())


def exchanges(program: Program) -> bool:
    """Tell whether lanes of a warp exchange values, for which all must be there."""
    inside = inspect.getsource(program.function)
    return "shfl" in inside or any(exchanges(other) for other in program.helpers.values())


class Launches(list[tuple[ThreadProgram, tuple[int, ...], tuple[int, ...], tuple[Any, ...]]]):
    """Takes the simulator's place: notes program, grid, block and arguments, and runs nothing."""

    def __call__(
        self, program: ThreadProgram, grid: Any, block: Any, args: Any, **options: Any
    ) -> None:
        """Note a launch, and that CUDA would take it."""
        assert all(size >= 1 for size in (*grid, *block)), (program.name, grid, block)
        assert all(size <= 65535 for size in grid[1:]), (program.name, grid)
        threads = int(np.prod(block))
        assert threads <= 1024, (program.name, block)
        assert threads % 32 == 0 or not exchanges(program), (program.name, block)
        self.append((program, grid, block, tuple(args)))
