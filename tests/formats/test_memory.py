"""What a conversion allocates at its worst moment: at most three times its result."""

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest

from minisparse.formats import COO, CSR, FORMATS, Matrix, from_dense

SLACK = 128 * 1024
"""Bytes for what is worked on at a time, which beside a small result is not nothing."""
LARGER = {
    ("bsr", "nm"): 5.5,
    ("csc", "nm"): 4.0,
    ("coo shuffled", "nm"): 4.0,
    ("coo twice", "nm"): 5.0,
}
"""Where a full 2:4 matrix takes 5 bytes a value, and its source's zeros or the words by which it
is sorted take more."""
LAYOUTS: dict[str, dict[str, Any]] = {"bsr": {"block": (4, 4)}, "nm": {"n": 2, "m": 4}}
SOURCES = [*FORMATS, "dense", "coo shuffled", "coo twice"]
TARGETS = [*FORMATS, "dense"]


def source(name: str, density: float) -> Any:
    """Return a matrix that 2:4 can hold, in a format or as it is named."""
    rng = np.random.default_rng(3)
    x = rng.uniform(1, 2, (700, 1000)).astype(np.float32)
    x *= (rng.random(x.shape) < density) & (np.arange(1000) % 4 < 2)
    if name == "dense":
        return x
    format = name.split()[0]
    A = from_dense(x, format, **LAYOUTS.get(format, {}))
    if name == format:
        return A
    assert isinstance(A, COO)
    order = rng.permutation(A.nnz)
    if name == "coo twice":
        order = rng.permutation(np.concatenate([order, order[::4]]))
    return COO(A.data[order], A.row[order], A.col[order], A.shape)


@pytest.mark.parametrize("density", [1.0, 0.1, 0.02, 0.002])
@pytest.mark.parametrize(
    ("name", "target"), [p for p in itertools.product(SOURCES, TARGETS) if p[0] != p[1]]
)
def test_at_most_three_times_the_result(name: str, target: str, density: float) -> None:
    A = source(name, density)
    if isinstance(A, Matrix):
        _ = A.has_canonical_format  # a fact that is looked up once for a matrix
    tracemalloc.start()
    try:
        if isinstance(A, np.ndarray):
            made: Any = from_dense(A, target, **LAYOUTS.get(target, {}))
        else:
            made = A.to_dense() if target == "dense" else A.to(target, **LAYOUTS.get(target, {}))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    limit = LARGER.get((name, target), 3) * made.nbytes + SLACK
    assert peak <= limit, f"{peak / made.nbytes:.2f} times {made.nbytes} bytes"


@pytest.mark.parametrize("format", ["coo", "csr", "csc"])
def test_the_transpose_is_a_view(format: str) -> None:
    A = source(format, 0.1)
    for name, array in A.T.arrays.items():
        assert any(np.may_share_memory(array, a) for a in A.arrays.values()), name


def test_without_a_dense_array() -> None:
    # 10**5 x 10**5 cells would take 40 GB
    side = 100_000
    rows = np.arange(side)
    A = CSR(np.ones(side, np.float32), rows[::-1], np.arange(side + 1), (side, side))
    tracemalloc.start()
    try:
        for first, second in itertools.permutations(["coo", "csr", "csc", "bsr"], 2):
            B = A.to(first, **LAYOUTS.get(first, {})).to(second, **LAYOUTS.get(second, {}))
            assert B.count_nonzero() == side
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
