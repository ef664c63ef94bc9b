"""Sampled products, softmax, attention, products of two matrices and conversions, by threads."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import SUPPORTED, Array
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.gpu import simulate, simulator
from minisparse.gpu.simulator import Simulation
from minisparse.kernels import KERNELS, execute, pack
from minisparse.ops.hard_matrices import random_triplets, random_values
from tests.kernels.reference import hold

DTYPES = [name for name in SUPPORTED if not name.startswith("complex")]
FLOATS = [name for name in DTYPES if name.startswith("float")]
SDDMM = ("csr", "csc", "coo", "bsr", "nm")
ATTENTION = ("csr", "bsr", "coo")
SPGEMM = ("csr", "csc")
CONVERT = (
    ("coo", "csr"),
    ("coo", "csc"),
    ("csr", "csc"),
    ("csc", "csr"),
    ("csr", "coo"),
    ("csc", "coo"),
)

Case = partial[Any]


def awkward(
    dtype: str = "float32", shape: tuple[int, int] = (13, 10), seed: int = 0, long: int = 0
) -> Triplets:
    """Return a matrix out of order, with empty rows, cells stored twice, and explicit zeros.

    Parameters
    ----------
    dtype : str
        Of its values.
    shape : tuple of int
        ``(M, K)``, 3 x 3 or more.
    seed : int
        Of the draws.
    long : int
        So many entries more has row 1.
    """
    rng = np.random.default_rng(seed)
    row, col, _, _ = random_triplets(rng, shape, 0.4)
    row, col = np.append(row, np.full(long, 1)), np.append(col, rng.integers(0, shape[1], long))
    keep = (row != 0) & (row != 2)
    row, col = row[keep], col[keep]
    again = rng.choice(len(row), len(row) + len(row) // 4)
    data = random_values(rng, (len(again),), dtype)
    data[::7] = 0
    return Triplets(row[again], col[again], data, shape)


def factors(t: Triplets, depth: int, seed: int = 1) -> tuple[Array, Array]:
    """Return X ``[M, D]`` and Y ``[D, N]`` in the dtype of a matrix."""
    rng = np.random.default_rng(seed)
    return (
        random_values(rng, (t.shape[0], depth), t.data.dtype),
        random_values(rng, (depth, t.shape[1]), t.data.dtype),
    )


def vectors(t: Triplets, depth: int, width: int, seed: int = 2) -> tuple[Array, Array, Array]:
    """Return Q, K and V in the dtype of a mask."""
    rng, (m, n) = np.random.default_rng(seed), t.shape
    q, k, v = (random_values(rng, x, t.data.dtype) for x in ((m, depth), (n, depth), (n, width)))
    return q, k, v


def run(name: str, *operands: Any, level: str = "gpu", **attrs: Any) -> Any:
    """Return what a kernel computes at a level, with attributes that are complete."""
    kernel = KERNELS[name]
    found = kernel.levels[level]
    with np.errstate(all="ignore"):
        packed = pack(found, operands[0])
        return execute(kernel.op, found, [packed, *operands[1:]], kernel.op.complete(attrs))


def every_launch(dtype: str, long: int = 0) -> Iterator[Case]:
    """Yield calls of all kernels on a matrix of some dtype: they launch every program.

    Parameters
    ----------
    dtype : str
        Of all operands.
    long : int
        See :func:`awkward`.
    """
    t = awkward(dtype, long=long)
    for format in SDDMM:
        yield partial(run, f"sddmm_{format}", hold(t, format), *factors(t, 20))
    if dtype in FLOATS:
        for format in ATTENTION:
            yield partial(run, f"attention_{format}", hold(t, format), *vectors(t, 5, 3))
    for before, after in CONVERT:
        yield partial(run, f"convert_{before}", hold(t, before), format=after)
    yield from some_launches(dtype, long)


def some_launches(dtype: str, long: int = 0) -> Iterator[Case]:
    """Yield those that differ by more than how an entry's place is found."""
    t = awkward(dtype, long=long)
    yield partial(run, "sddmm_csr", hold(t, "csr"), *factors(t, 3))
    if dtype in FLOATS:
        yield partial(run, "softmax_csr", hold(t, "csr"))
        yield partial(run, "attention_csr", hold(t, "csr"), *vectors(t, 5, 3))
    for format in SPGEMM:
        b = hold(t, format)
        yield partial(run, f"spgemm_{format}", b.T.to(format), b)
        yield partial(run, f"spgemm_{format}", b.T.to(format), b.canonical())
    yield partial(run, "convert_coo", hold(t, "coo"), format="csr")
    yield partial(run, "convert_csr", hold(t, "csr").canonical(), format="csc")


def arrays_of(result: Any) -> list[Array]:
    """Return the arrays of a matrix, or the array itself."""
    return list(result.arrays.values()) if isinstance(result, Matrix) else [result]


def assert_same(found: Any, wanted: Any, label: str = "") -> None:
    """Assert that two results have the same type and the same bits."""
    assert type(found) is type(wanted), label
    for x, y in zip(arrays_of(found), arrays_of(wanted), strict=True):
        assert x.dtype == y.dtype, label
        np.testing.assert_array_equal(x, y, label)


def with_seed(monkeypatch: pytest.MonkeyPatch, seed: int | None, check: bool = False) -> list[Any]:
    """Let threads run in an order drawn from a seed; return a list that all launches are put on."""
    launches: list[Any] = []

    def simulated(program: Any, grid: Any, block: Any, args: Any) -> Simulation:
        assert all(size >= 1 for size in (*grid, *block)), (program.name, grid, block)
        assert all(size <= 65535 for size in grid), (program.name, grid)
        assert np.prod(block) <= 1024, (program.name, block)
        launches.append((program, args))
        return simulate(program, grid, block, args, seed=seed, check=check)

    monkeypatch.setattr(simulator, "simulate", simulated)
    return launches
