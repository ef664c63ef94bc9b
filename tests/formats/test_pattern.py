"""Patterns against brute force, counted in three ways: dense, sparse on a mask, sparse."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError, UsageError
from minisparse.core.tensor_type import Layout
from minisparse.formats import (
    BSR,
    COO,
    CSR,
    Pattern,
    find_pattern,
    from_dense,
    recognition,
    stored_bytes,
)

RECTANGLES = ((1, 3), (5, 2))


def brute_blocks(x: Array, r: int, c: int) -> int:
    m, k = x.shape
    return sum((x[i : i + r, j : j + c] != 0).any() for i in range(0, m, r) for j in range(0, k, c))


def brute_groups(x: Array, m: int) -> tuple[int, ...]:
    held = [int((row[j : j + m] != 0).sum()) for row in x for j in range(0, x.shape[1], m)]
    return tuple(held.count(n) for n in range(m + 1))


def assert_is_pattern_of(p: Pattern, x: Array) -> None:
    row, col = np.nonzero(x)
    assert p.shape == x.shape
    assert p.nnz == len(row)
    assert p.density == (len(row) / x.size if x.size else 0)
    assert p.row_counts.tolist() == [int((r != 0).sum()) for r in x]
    assert p.col_counts.tolist() == [int((c != 0).sum()) for c in x.T]
    assert p.row_counts.dtype == p.col_counts.dtype == np.int64
    assert p.nonzero_rows == len(set(row.tolist()))
    assert p.nonzero_cols == len(set(col.tolist()))
    assert p.blocks == {s: brute_blocks(x, s, s) for s in (2, 4, 8, 16, 32)}
    assert p.groups == {m: brute_groups(x, m) for m in (2, 4, 8, 16)}
    assert p.rectangles == {rc: brute_blocks(x, *rc) for rc in (*RECTANGLES, *p.rectangles)}
    assert p.bandwidth == max(
        (abs(int(r) - int(c)) for r, c in zip(row, col, strict=True)), default=0
    )
    mean = np.mean(p.row_counts) if p.nnz else 1
    assert p.row_imbalance == pytest.approx(max(p.row_counts) / mean if p.nnz else 1)


@st.composite
def matrices(draw: st.DrawFn) -> Array:
    shape = draw(st.tuples(st.integers(0, 70), st.integers(0, 70)))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    x = rng.standard_normal(shape) * (rng.random(shape) < draw(st.sampled_from([0, 0.01, 0.3, 1])))
    keep = draw(st.sampled_from(["all", "rows", "columns", "blocks"]))
    if keep == "rows":
        x[rng.random(shape[0]) < 0.5] = 0
    if keep == "columns":
        x[:, rng.random(shape[1]) < 0.5] = 0
    if keep == "blocks":
        x *= np.kron(rng.random((9, 9)) < 0.3, np.ones((8, 8)))[: shape[0], : shape[1]]
    return x


@given(x=matrices())
def test_three_ways_against_brute_force(x: Array) -> None:
    assert_is_pattern_of(find_pattern(x, rectangles=RECTANGLES), x)
    A = from_dense(x, "csr")
    assert_is_pattern_of(find_pattern(A, rectangles=RECTANGLES), x)
    row, col, _, shape = A.triplets()
    assert_is_pattern_of(recognition._of_coordinates(row, col, shape, RECTANGLES), x)


@pytest.mark.parametrize("block", [(2, 3), (4, 3), (3, 3), (64, 64), (4, 4), (1, 1)])
def test_blocks_of_bsr_are_counted_unasked(block: tuple[int, int]) -> None:
    x = np.zeros((9, 12), "float32")
    x[:4, 3:8] = 1
    A = from_dense(x, "bsr", block=block)
    p = find_pattern(A)
    assert p.count_blocks(*block) == brute_blocks(x, *block)
    assert stored_bytes(p, A.type.layout, 4) == A.nbytes


def test_blocks_larger_than_the_matrix_take_no_memory() -> None:
    A = BSR(np.zeros((0, 2**20, 2**20)), [], [0, 0], (3, 5))
    assert find_pattern(A).count_blocks(2**20, 2**20) == 0


def test_only_nonzero_values_count() -> None:
    x = np.zeros((4, 6))
    x[1, 2] = 1
    for A in (
        BSR(np.pad([[[1.0]]], ((0, 0), (1, 1), (2, 2)))[:, :2, :3], [0], [0, 1, 1], (4, 6)),
        CSR([0.0, 1.0, 0.0], [0, 2, 5], [0, 1, 2, 2, 3], (4, 6)),
        COO([2.0, 3.0, 1.0, -3.0], [1, 0, 1, 0], [2, 5, 2, 5], (4, 6)),  # 3 - 3 cancels
        from_dense(x, "nm", n=2, m=4),
        from_dense(x, "csc"),
    ):
        p = find_pattern(A, rectangles=RECTANGLES)
        assert_is_pattern_of(p, np.where(x, 1.0, 0.0))
    special = np.array([[np.nan, -0.0, np.inf, 0.0]])
    assert find_pattern(special).row_counts.tolist() == [2]


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "float16", "float32", "complex64", ">f4"]
)
def test_dtypes(dtype: str) -> None:
    x = (np.random.default_rng(0).random((33, 50)) < 0.2).astype(dtype)
    assert_is_pattern_of(find_pattern(x, rectangles=RECTANGLES), (x != 0).astype(float))
    assert find_pattern(x.T).row_counts.tolist() == find_pattern(x).col_counts.tolist()


def test_a_matrix_too_large_for_a_mask() -> None:
    huge = 10**6
    A = COO([1.0, 1.0, 1.0], [0, 1, huge - 1], [3, 2, 0], (huge, huge))
    p = find_pattern(A)
    assert p.blocks == {2: 2, 4: 2, 8: 2, 16: 2, 32: 2}
    assert p.groups[4] == (huge * huge // 4 - 3, 3, 0, 0, 0)
    assert p.bandwidth == huge - 1
    assert (p.nonzero_rows, p.nonzero_cols) == (3, 3)


def test_occupancy_and_fill() -> None:
    x = np.zeros((6, 8))
    x[0, 0] = x[1, 1] = x[5, 7] = 1
    p = find_pattern(x)
    assert p.count_blocks(1, 1) == 3
    assert p.block_occupancy(2) == 2 / 12
    assert p.block_occupancy(4) == 2 / 4
    assert p.block_fill(2) == 3 / 8
    assert p.block_fill(4) == 3 / 32  # the blocks at the edge count as they are stored: whole
    assert find_pattern(np.zeros((0, 3))).block_occupancy(4) == 0
    assert find_pattern(np.zeros((2, 3))).block_fill(4) == 0
    with pytest.raises(
        UsageError, match=r"blocks of 2x3 were not counted; .*rectangles=\[\(2, 3\)\]"
    ):
        p.count_blocks(2, 3)
    assert find_pattern(x, rectangles=[(2, 3)]).count_blocks(2, 3) == 2


def test_nm_violations() -> None:
    x = np.array([[1, 1, 0, 0, 1, 1, 1, 0], [0, 0, 1, 0, 0, 0, 0, 0]])
    p = find_pattern(x)
    assert p.nm[1, 4] == 2
    assert p.nm[2, 4] == 1
    assert p.nm[4, 8] == 1
    assert p.nm[1, 2] == 2
    assert p.fits_nm(3, 4)
    assert not p.fits_nm(2, 4)
    assert p.fits_nm(4, 4)
    assert all(p.fits_nm(*nm) == (not violations) for nm, violations in p.nm.items())
    with pytest.raises(
        UsageError, match=r"2:5: groups of 5 were not counted; counted: 2, 4, 8, 16"
    ):
        p.fits_nm(2, 5)


def _random(density: float, shape: tuple[int, int] = (64, 128), seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.random(shape) < density


def _pruned_24(shape: tuple[int, int]) -> Array:
    order = np.random.default_rng(5).random((*shape, 4)).argsort(axis=-1)
    return (order < 2).reshape(shape[0], -1)


def _without(x: Array, rows: int = 0, columns: int = 0) -> Array:
    x = x.copy()
    x[:rows] = 0
    x[:, :columns] = 0
    return x


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (np.zeros((3, 4)), "empty", "empty"),
        (np.zeros((0, 4)), "empty", "empty"),
        (np.ones((3, 4)), "dense", "dense"),
        (_random(0.97), "dense", "dense"),
        (_without(np.ones((64, 64)), rows=32), "rows", "rows 50 % empty"),
        (_without(np.ones((64, 64)), columns=16), "columns", "columns 25 % empty"),
        (_without(np.ones((64, 64)), 32, 16), "rows", "rows 50 % empty, columns 25 % empty"),
        (np.kron(_random(0.2, (20, 25)), np.ones((8, 8))), "blocks", "8x8 blocks, 81 % empty"),
        (np.kron(np.eye(10), np.ones((4, 4))), "blocks", "4x4 blocks, 90 % empty"),
        (np.kron(np.eye(200), np.ones((16, 16))), "blocks", "16x16 blocks, >99 % empty"),
        (_pruned_24((64, 32)), "nm", "2:4"),
        (np.tile([[0, 1], [1, 0]], (8, 8)), "nm", "1:2"),
        # One of 16 columns, none of the last 4, which 1:16 would leave room for.
        (np.eye(16)[np.random.default_rng(0).permutation(64) % 16] @ np.eye(16, 20), "unstructured",
         "0.95 unstructured, columns 20 % empty"),
        (_random(0.2), "unstructured", "0.793 unstructured"),
        (_without(_random(0.2), rows=32), "unstructured", "0.896 unstructured, rows 50 % empty"),
        (_random(1e-4, (1000, 1000)), "unstructured", ">0.999 unstructured, rows 90 % empty, "
         "columns 89 % empty"),
    ],
)  # fmt: skip
def test_description(x: Array, kind: str, text: str) -> None:
    p = find_pattern(x)
    assert (p.kind, p.describe()) == (kind, text)


def test_stored_bytes_of_any_layout() -> None:
    x = np.asarray(_random(0.1, (37, 53)), "float32")
    blocks: list[Any] = [(1, 1), (2, 2), (16, 16), (5, 2)]
    p = find_pattern(x, rectangles=[(5, 2)])
    for block in blocks:
        layout = Layout("bsr", block)
        assert stored_bytes(p, layout, 4) == from_dense(x, layout).nbytes
    for n, m in ((4, 4), (3, 3), (200, 256)):
        assert stored_bytes(p, Layout("nm", (n, m)), 4) == from_dense(x, "nm", n=n, m=m).nbytes
    assert stored_bytes(p, Layout("csr"), 8) == from_dense(x.astype(float), "csr").nbytes
    assert stored_bytes(p, Layout("dense"), 2) == 37 * 53 * 2
    with pytest.raises(UsageError, match="unknown format 'ell'"):
        stored_bytes(p, Layout("ell"), 4)
    with pytest.raises(UsageError, match="blocks of 3x3 were not counted"):
        stored_bytes(p, Layout("bsr", (3, 3)), 4)
    with pytest.raises(UsageError, match="wants block="):
        stored_bytes(p, Layout("bsr"), 4)


def test_bad_input() -> None:
    with pytest.raises(ShapeError, match=r"find_pattern: x has shape \(3,\)"):
        find_pattern(np.ones(3))
    with pytest.raises(UsageError, match="no side may be below 1"):
        find_pattern(np.ones((3, 3)), rectangles=[(0, 2)])


def test_travels_between_processes_and_cannot_be_written() -> None:
    p = find_pattern(np.eye(5))
    q = pickle.loads(pickle.dumps(p))
    assert q.describe() == p.describe()
    assert q.row_counts.tolist() == p.row_counts.tolist()
    with pytest.raises(ValueError, match="read-only"):
        p.row_counts[0] = 3
    with pytest.raises(AttributeError):
        p.shape = (1, 1)  # type: ignore[misc]
