"""Sums and products cell by cell, functions of stored entries, reductions: beside the tables."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError, UnsupportedOpError
from minisparse.formats import BSR, COO, CSR, Matrix, from_dense
from minisparse.formats.structure import merging
from minisparse.kernels.reduce import stored

LEVELS = ("loops", "vectorized")
LAYOUTS: dict[str, dict[str, Any]] = {
    "csr": {}, "csc": {}, "coo": {}, "bsr": {"block": (2, 3)},
}  # fmt: skip
both_levels = pytest.mark.parametrize("level", LEVELS)
every_layout = pytest.mark.parametrize("format", LAYOUTS)


def random_matrix(seed: int, shape: tuple[int, int] = (7, 11), dtype: str = "float32") -> Array:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 100, shape) * rng.choice([-1, 1], shape)
    return np.where(rng.random(shape) < 0.4, values, 0).astype(dtype)


# -- stored entries ------------------------------------------------------------------------------


def test_a_cell_stored_twice_is_refused_by_what_is_not_linear() -> None:
    twice = COO([1.0, -2.0, 3.0], [0, 1, 0], [1, 0, 1], (2, 2))
    calls = (ms.relu, ms.gelu, ms.silu, ms.clip, ms.reduce_max, ms.reduce_min)
    for call in (*calls, lambda A, level: ms.multiply(A, A, level=level)):
        for level in LEVELS:
            with pytest.raises(UnsupportedOpError, match=r"stores a cell twice.*A\.canonical\(\)"):
                call(twice, level=level)
            call(twice.canonical(), level=level)


@both_levels
def test_stored_order_and_positions_stay(level: str) -> None:
    unsorted = CSR([-1.0, 2.0, 0.5], [2, 0, 1], [0, 2, 3], (2, 3))
    result = ms.relu(unsorted, level=level)
    np.testing.assert_array_equal(result.data, [0, 2, 0.5])
    np.testing.assert_array_equal(result.indices, unsorted.indices)
    padded = BSR([[[-1.0, 2.0], [0.0, 0.0]]], [0], [0, 1], (1, 2))
    for call in (ms.relu, ms.gelu, ms.silu, ms.clip):
        found = call(padded, level=level)
        found.check()
        assert found.block == (2, 2)


@both_levels
@every_layout
def test_sums_store_what_either_stores_and_products_what_both_do(format: str, level: str) -> None:
    x, y = random_matrix(0), random_matrix(1)
    y = np.where((x != 0) & (y != 0), -x, y)  # where both store one, the sum cancels
    a, b = (from_dense(z, format, **LAYOUTS[format]) for z in (x, y))
    total, product = ms.add(a, b, level=level), ms.multiply(a, b, level=level)
    for result, dense, there in (
        (total, x + y, (x != 0) | (y != 0)), (product, x * y, (x != 0) & (y != 0)),
    ):  # fmt: skip
        result.check()
        assert type(result) is type(a)
        assert result.has_canonical_format
        np.testing.assert_array_equal(result.to_dense(), dense)
        if format != "bsr":
            assert result.nnz == there.sum()


@every_layout
@pytest.mark.parametrize("part", [1, 3, 50])
def test_merging_by_small_parts(format: str, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_PART", part)
    for seed, shape in enumerate([(7, 11), (1, 40), (40, 1), (0, 3), (3, 0), (23, 23)]):
        x, y = random_matrix(seed, shape), random_matrix(seed + 9, shape)
        a, b = (from_dense(z, format, **LAYOUTS[format]) for z in (x, y))
        np.testing.assert_array_equal((a + b).to_dense(), x + y)
        np.testing.assert_array_equal((a - b).to_dense(), x - y)
        np.testing.assert_array_equal((a * b).to_dense(), x * y)
        for result in (a + b, a * b):
            result.check()
            assert result.has_canonical_format


def test_merging_of_huge_shapes() -> None:
    big = 2**62
    a = COO([1, 2, 3], [0, 5, big - 1], [0, big - 1, 7], (big, big))
    b = COO([1, 2, 4], [0, 5, 6], [1, big - 1, 7], (big, big))
    total = ms.add(a, b)
    assert total.row.tolist() == [0, 0, 5, 6, big - 1]
    assert total.col.tolist() == [0, 1, big - 1, 7, 7]
    assert total.data.tolist() == [1, 1, 4, 4, 3]
    assert ms.multiply(a, b).data.tolist() == [4]


@both_levels
def test_duplicates_are_terms_of_a_sum(level: str) -> None:
    a = CSR(np.full(3, 100, np.int8), [1, 1, 1], [0, 3], (1, 2))
    b = CSR(np.full(1, 100, np.int16), [1], [0, 1], (1, 2))
    assert ms.add(a, b, level=level).data.tolist() == [400]
    half = CSR(np.array([2048.0, 1.0], np.float16), [0, 0], [0, 2], (1, 1))
    one = CSR(np.array([1.0], np.float16), [0], [0, 1], (1, 1))
    assert ms.add(half, one, level=level).data.tolist() == [2050]  # rounded once, not twice


@both_levels
def test_what_only_one_stores_is_not_computed_with(level: str) -> None:
    a, b = CSR([np.inf, 2.0], [0, 1], [0, 2], (1, 2)), CSR([3.0], [1], [0, 1], (1, 2))
    np.testing.assert_array_equal(ms.multiply(a, b, level=level).to_dense(), [[0, 6]])


def test_a_matrix_beside_an_array_is_refused() -> None:
    a = from_dense(np.eye(3), "csr")
    for call in (ms.add, ms.multiply):
        for operands in ((a, np.eye(3)), (np.eye(3), a), (a, a.to("csc")), (a, 1.0)):
            with pytest.raises(MinisparseError, match=r"convert one with \.to\(.*\.to_dense\(\)"):
                call(*operands)


# -- reductions ----------------------------------------------------------------------------------


@both_levels
@pytest.mark.parametrize("format", [*LAYOUTS, "nm"])
def test_reductions_agree_with_numpy(format: str, level: str) -> None:
    x = random_matrix(3, (6, 8), "float64")
    x[4], x[:, 2::4], x[:, 1::4] = -5, 0, 0  # at most 2 of 4
    x[:, 0] = -7  # a full column of negative numbers
    layout: dict[str, Any] = {"n": 2, "m": 4} if format == "nm" else LAYOUTS[format]
    a: Matrix = from_dense(x, format, **layout)
    for axes in (None, (0,), (1,), (-1, 0)):
        for name in ("sum", "mean", "max", "min"):
            wanted = getattr(x, name)(axis=axes, keepdims=True)
            found = getattr(ms, f"reduce_{name}")(a, axes, level=level)
            np.testing.assert_allclose(found, wanted, rtol=1e-14)
            assert getattr(ms, f"reduce_{name}")(a, axes, 0, level).shape == x.sum(axes).shape


@pytest.mark.parametrize("format", [*LAYOUTS, "nm"])
def test_reductions_by_small_parts(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = random_matrix(5, (9, 10), "float64")
    x[4], x[:, 3] = -5, -7  # no zero among them
    layout: dict[str, Any] = {"n": 4, "m": 4} if format == "nm" else LAYOUTS[format]
    a = from_dense(x, format, **layout)
    for part in (1, 7, 40):
        monkeypatch.setattr(stored, "_CHUNK", part)
        for axes in (None, (0,), (1,)):
            for name in ("sum", "max", "min"):
                found = getattr(ms, f"reduce_{name}")(a, axes)
                np.testing.assert_array_equal(
                    found, getattr(x, name)(axes and axes[0], keepdims=True)
                )


def test_scratch_is_small_beside_large_operands() -> None:
    rng = np.random.default_rng(0)
    row, col = np.repeat(np.arange(3000), 400), np.tile(np.arange(0, 4000, 10), 3000)
    a = COO(rng.standard_normal(len(row)), row, col, (3000, 4000)).to("csr")
    b = a.with_data(-a.data)
    blocks = a.to("bsr", block=(1, 2))
    for call, result in (
        (lambda: ms.add(a, b), 3 * 12 * a.nnz),  # room for disjoint ones, and then the result
        (lambda: ms.multiply(a, b), (12 + 16) * a.nnz),  # the parts, and then the whole
        (lambda: ms.reduce_sum(a, (0,)), 0),
        (lambda: ms.reduce_max(blocks, (0,)), 0),
    ):
        call()
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < result + 16_000_000


@both_levels
def test_reductions_of_nothing_are_those_of_onnx(level: str) -> None:
    empty = CSR(np.zeros(0, "float32"), [], [0, 0, 0], (2, 0))
    assert ms.reduce_sum(empty, level=level).tolist() == [[0]]
    assert ms.reduce_max(empty, level=level).tolist() == [[-np.inf]]
    assert ms.reduce_min(empty, (1,), 0, level).tolist() == [np.inf, np.inf]
    assert np.isnan(ms.reduce_mean(empty, level=level)).all()
    assert ms.reduce_max(np.zeros((0, 2), np.int8), (0,), 0, level).tolist() == [-128, -128]
    assert ms.reduce_sum(np.float32(3), level=level) == 3


@both_levels
def test_integers_wrap_and_narrow_sums_are_rounded_once(level: str) -> None:
    many = CSR(np.full(4, 100, np.int8), [0, 1, 2, 3], [0, 4], (1, 4))
    assert ms.reduce_sum(many, level=level).tolist() == [[np.int64(400).astype(np.int8)]]
    half = CSR(np.ones(3000, np.float16), np.arange(3000), [0, 3000], (1, 3000))
    for axes in (None, (1,)):
        assert ms.reduce_sum(half, axes, level=level).tolist() == [[3000]]
