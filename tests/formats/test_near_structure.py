"""Structures that are almost there: what stands in the way, and which order of columns mends it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minisparse as ms
from minisparse.core.errors import MinisparseError
from minisparse.formats import find_near_blocks, find_near_groups

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=13))


def blocked(rng: np.random.Generator, blocks: int, size: int, share: float) -> Any:
    there = rng.random((blocks, blocks)) < share
    return np.kron(there, np.ones((size, size))).astype("float32"), int(there.sum())


@pytest.mark.parametrize("size", [4, 8, 16])
def test_strays_are_counted_and_named(size: int) -> None:
    rng = np.random.default_rng(size)
    x, occupied = blocked(rng, 12, size, 0.2)
    empty = np.argwhere(x[::size, ::size] == 0)
    for i, j in empty[:5]:
        x[i * size + 1, j * size + 2] = 7
    found = find_near_blocks(x, size)
    assert (found.blocks, found.occupied) == (144, occupied + 5)
    assert (found.strays, found.cleared, found.fill) == (5, 5, 1.0)
    assert found.is_near
    assert "5 entries stand in the way" in str(found)
    assert found.empty_without_strays == 1 - occupied / 144


def test_what_is_blocked_has_no_strays_and_chance_is_no_structure() -> None:
    rng = np.random.default_rng(0)
    x, _ = blocked(rng, 10, 8, 0.3)
    assert not find_near_blocks(x, 8).strays
    assert not find_near_blocks(x, 8).is_near
    assert not find_near_blocks(rng.random((64, 64)) < 0.05, 8).is_near
    assert not find_near_blocks(np.zeros((8, 8)), 4).is_near
    assert find_near_blocks(np.zeros((0, 8)), 4).blocks == 0


@given(masks, st.integers(1, 5))
def test_clearing_the_strays_empties_their_blocks(x: Any, size: int) -> None:
    found = find_near_blocks(x, size)
    assert found.occupied == ms.find_pattern(x, rectangles=[(size, size)]).count_blocks(size, size)
    assert found.strays <= 0.02 * x.sum()
    assert 0 <= found.cleared <= found.occupied


@given(masks, st.integers(1, 3), st.integers(1, 5))
def test_a_permutation_is_one_and_lowers_the_excess(x: Any, n: int, m: int) -> None:
    n = min(n, m)
    found = find_near_groups(x, n, m)
    counts = [row[i : i + m].sum() for row in x for i in range(0, x.shape[1], m)]
    assert found.violations == sum(c > n for c in counts)
    assert found.excess == sum(max(c - n, 0) for c in counts)
    if found.permutation is None:
        assert found.excess_permuted == found.excess
        return
    assert sorted(found.permutation) == list(range(x.shape[1]))
    again = find_near_groups(x[:, list(found.permutation)], n, m, permute=False)
    assert again.excess == found.excess_permuted < found.excess


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 4), (1, 4)])
def test_a_hidden_order_is_found(n: int, m: int) -> None:
    rng = np.random.default_rng(1)
    x = np.zeros((128, 16, m), bool)
    places = rng.permuted(np.tile(np.arange(m), (128, 16, 1)), axis=2)[..., :n]
    np.put_along_axis(x, places, True, axis=2)
    shuffled = x.reshape(128, -1)[:, rng.permutation(16 * m)]
    found = find_near_groups(shuffled, n, m)
    assert found.violations > 0
    assert found.excess_permuted == 0
    assert "fits after a permutation" in str(found)


def test_what_fits_needs_no_order() -> None:
    found = find_near_groups(np.tile([1, 0, 0, 1], (3, 2)), 2, 4)
    assert (found.violations, found.permutation, found.compliance) == (0, None, 1.0)
    assert str(found) == "fits 2:4"
    without = find_near_groups(np.ones((2, 4)), 2, 4)
    assert without.permutation is None
    assert "no order of columns that was tried is better" in str(without)


def test_stored_matrices_count_by_value() -> None:
    x = np.tile([1.0, 0.0, 2.0, 0.0], (4, 2))
    for format in ("csr", "coo", "csc"):
        assert find_near_groups(ms.from_dense(x, format), 2, 4).violations == 0
    explicit = ms.CSR([0.0, 1.0, 1.0, 1.0], [0, 1, 2, 3], [0, 4], (1, 4))
    assert find_near_groups(explicit, 3, 4).violations == 0
    assert find_near_blocks(explicit, 1).occupied == 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: find_near_blocks(np.ones((2, 2)), 0), "at least 1"),
        (lambda: find_near_groups(np.ones((2, 2)), 3, 2), "between 1 and m"),
        (lambda: find_near_blocks(np.ones(3), 2), "must be a matrix"),
    ],
)
def test_what_is_asked_wrongly_is_said(call: Any, words: str) -> None:
    with pytest.raises(MinisparseError, match=words):
        call()
