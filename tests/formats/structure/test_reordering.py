"""Orders of rows and columns: permutations, what they promise, and SciPy's beside ours."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats import (
    COO,
    Matrix,
    by_length,
    by_similarity,
    from_dense,
    reverse_cuthill_mckee,
)

LAYOUTS: dict[str, dict[str, Any]] = {"bsr": {"block": (2, 3)}, "nm": {"n": 4, "m": 4}}


def random_dense(seed: int, m: int, k: int, density: float) -> Array:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((m, k)) < density, rng.standard_normal((m, k)), 0)


def is_permutation(order: Array, size: int) -> bool:
    return np.array_equal(np.sort(order), np.arange(size))


@pytest.mark.parametrize("order_of", [by_length, by_similarity])
@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr", "nm"])
@pytest.mark.parametrize("shape", [(9, 12), (0, 4), (5, 0), (1, 1)])
def test_orders_of_rows_are_permutations(
    order_of: Callable[[Matrix], Array], format: str, shape: tuple[int, int]
) -> None:
    A = from_dense(random_dense(0, *shape, 0.3), format, **LAYOUTS.get(format, {}))
    order = order_of(A)
    assert is_permutation(order, shape[0])
    np.testing.assert_array_equal(A.permute_rows(order).to_dense(), A.to_dense()[order])
    np.testing.assert_array_equal(order, order_of(A))


def test_lengths_descend_and_ties_stay() -> None:
    x = random_dense(1, 60, 20, 0.3)
    lengths = np.count_nonzero(x, axis=1)
    order = by_length(from_dense(x, "csr"))
    assert (np.diff(lengths[order]) <= 0).all()
    for length in np.unique(lengths):
        assert (np.diff(order[lengths[order] == length]) > 0).all()


def test_alike_rows_stand_together() -> None:
    rng = np.random.default_rng(2)
    kinds = rng.permutation(np.repeat(np.arange(12), 20))
    patterns = rng.random((12, 200)) < 0.05
    order = by_similarity(from_dense(patterns[kinds].astype(float), "csr"))
    runs = 1 + np.count_nonzero(np.diff(kinds[order]))
    assert runs == 12
    noisy = patterns[kinds] & (rng.random((240, 200)) < 0.9)
    order = by_similarity(from_dense(noisy.astype(float), "csr"))
    assert 1 + np.count_nonzero(np.diff(kinds[order])) < 0.6 * np.count_nonzero(np.diff(kinds))


def test_rows_without_entries_come_last() -> None:
    x = random_dense(3, 30, 40, 0.2)
    x[::3] = 0
    order = by_similarity(from_dense(x, "csr"))
    assert not x[order[-10:]].any()


def test_another_seed_is_another_order() -> None:
    A = from_dense(random_dense(4, 50, 50, 0.1), "csr")
    assert not np.array_equal(by_similarity(A), by_similarity(A, seed=1))


def bandwidth(x: Array) -> int:
    row, col = np.nonzero(x)
    return int(np.abs(row - col).max(initial=0))


@pytest.mark.parametrize("side", [0, 1, 2, 40])
@pytest.mark.parametrize("density", [0.0, 0.03, 0.2])
def test_cuthill_mckee_permutes_rows_and_columns_alike(side: int, density: float) -> None:
    rows, columns = reverse_cuthill_mckee(from_dense(random_dense(5, side, side, density), "csr"))
    assert is_permutation(rows, side)
    np.testing.assert_array_equal(rows, columns)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (0, 3), (3, 0)])
def test_cuthill_mckee_of_a_rectangle(shape: tuple[int, int]) -> None:
    x = random_dense(6, *shape, 0.03)
    rows, columns = reverse_cuthill_mckee(from_dense(x, "csr"))
    assert is_permutation(rows, shape[0])
    assert is_permutation(columns, shape[1])


def shuffled_band(side: int, half: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    near = np.abs(np.subtract.outer(np.arange(side), np.arange(side))) <= half
    x = np.where(near & (rng.random((side, side)) < 0.8), 1.0, 0.0)
    x = np.maximum(x, x.T)
    order = rng.permutation(side)
    return x[order][:, order]


@pytest.mark.parametrize("seed", range(4))
def test_a_shuffled_band_is_found_again(seed: int) -> None:
    x = shuffled_band(150, 3, seed)
    rows, columns = reverse_cuthill_mckee(from_dense(x, "csr"))
    assert bandwidth(x) > 100
    assert bandwidth(x[rows][:, columns]) <= 8


def test_a_shuffled_rectangular_band_is_found_again() -> None:
    rng = np.random.default_rng(7)
    i, j = np.indices((100, 200))
    x = (np.abs(2 * i - j) <= 4).astype(float)
    x = x[rng.permutation(100)][:, rng.permutation(200)]
    rows, columns = reverse_cuthill_mckee(from_dense(x, "csr"))
    i, j = np.nonzero(x[rows][:, columns])
    assert np.abs(2 * i - j).max() <= 16


def test_components_stay_together() -> None:
    x = np.kron(np.eye(4), np.ones((5, 5)))
    order = np.random.default_rng(8).permutation(20)
    rows, _ = reverse_cuthill_mckee(from_dense(x[order][:, order], "csr"))
    assert (np.diff(order[rows] // 5) != 0).sum() == 3


def test_no_wider_than_scipys() -> None:
    csgraph = pytest.importorskip("scipy.sparse.csgraph", reason='pip install "minisparse[peers]"')
    ours, theirs = 0, 0
    for seed in range(6):
        x = random_dense(seed, 120, 120, 0.01)
        x = x + x.T
        A = from_dense(x, "csr")
        rows, _ = reverse_cuthill_mckee(A)
        order = csgraph.reverse_cuthill_mckee(A.to_scipy(), symmetric_mode=True)
        ours += bandwidth(x[rows][:, rows])
        theirs += bandwidth(x[order][:, order])
    assert ours <= 1.1 * theirs


def test_duplicates_and_order_do_not_matter_to_the_graph() -> None:
    row, col = np.array([2, 0, 2, 1]), np.array([0, 2, 0, 1])
    A = COO(np.ones(4), row, col, (3, 3))
    B = from_dense(A.to_dense(), "csr")
    for a, b in zip(reverse_cuthill_mckee(A), reverse_cuthill_mckee(B), strict=True):
        np.testing.assert_array_equal(a, b)


def plain_search(x: Array, root: int) -> list[int]:
    """Cuthill and McKee's numbering of a connected graph, vertex by vertex."""
    neighbors = [[int(j) for j in np.flatnonzero(row) if j != i] for i, row in enumerate(x)]
    found = [root]
    for vertex in found:
        fresh = [j for j in neighbors[vertex] if j not in found]
        found += sorted(fresh, key=lambda j: (len(neighbors[j]), j))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_cuthill_and_mckees_turned_around(seed: int) -> None:
    x = random_dense(seed, 60, 60, 0.04) != 0
    x |= x.T | (np.abs(np.subtract.outer(np.arange(60), np.arange(60))) == 1)  # connected
    rows, _ = reverse_cuthill_mckee(from_dense(x, "csr"))
    assert rows[::-1].tolist() == plain_search(x, int(rows[-1]))


def test_the_search_begins_far_away() -> None:
    x = np.zeros((41, 41), bool)  # a path from 1 to 40, and 0 hanging at its middle
    x[np.arange(1, 40), np.arange(2, 41)] = True
    x[0, 20] = True
    rows, _ = reverse_cuthill_mckee(from_dense(x | x.T, "csr"))
    assert {int(rows[0]), int(rows[-1])} == {1, 40}


@pytest.mark.parametrize("order", [by_length, by_similarity, reverse_cuthill_mckee])
def test_what_is_no_matrix_is_refused(order: Any) -> None:
    with pytest.raises(UsageError, match=f"{order.__name__}: A is of type ndarray: .*from_dense"):
        order(np.eye(3))
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    with pytest.raises(UsageError, match=r"A is of type csr_array: .*write ms\.from_scipy\(A\)"):
        order(sparse.csr_array(np.eye(3)))
