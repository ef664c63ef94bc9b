"""SDDMM, softmax and attention by threads: long rows, odd sizes, and what is not finite."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import CSR
from minisparse.kernels import KERNELS
from minisparse.kernels.attention import threads as attention
from minisparse.kernels.sddmm import threads as sddmm
from minisparse.kernels.softmax import threads as softmax
from minisparse.ops.hard_matrices import random_values
from minisparse.oracle import exact_results, judge
from tests.kernels.gpu.entries import (
    ATTENTION,
    DTYPES,
    FLOATS,
    SDDMM,
    awkward,
    factors,
    run,
    vectors,
    with_seed,
)
from tests.kernels.reference import hold

TEAMS = (1, 2, 8, 32, 256)
LENGTHS = (0, 1, 2, 7, 31, 32, 33, 65, 257, 600)
"""Of rows: around a warp and a block, and beyond."""


def assert_right(name: str, found: Any, *operands: Any, **attrs: Any) -> None:
    """Assert that a result is within the bound of the exact one."""
    op = KERNELS[name].op
    (truth,) = exact_results(op, operands, op.complete(attrs))
    verdict = judge(found if isinstance(found, np.ndarray) else found.to_dense(), truth)
    assert verdict.passed, f"{name}: {verdict.message}"


def rows_of_lengths(dtype: str, seed: int = 0) -> CSR:
    """Return a matrix with a row of each of :data:`LENGTHS`, its columns in no order."""
    rng = np.random.default_rng(seed)
    indptr = np.append(0, np.cumsum(LENGTHS))
    indices = np.concatenate([rng.permutation(max(LENGTHS))[:length] for length in LENGTHS])
    data = random_values(rng, (len(indices),), dtype)
    return CSR(data, indices, indptr, (len(LENGTHS), max(LENGTHS)))


# -- softmax ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("team", TEAMS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_of_rows_of_any_length(
    dtype: str, team: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "team_for", lambda entries, rows: team)
    a = rows_of_lengths(dtype)
    assert_right("softmax_csr", run("softmax_csr", a), a)


@pytest.mark.parametrize("team", TEAMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_softmax_of_what_is_not_finite(
    value: float, team: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "team_for", lambda entries, rows: team)
    a = rows_of_lengths("float32")
    data = a.data.copy()
    for start, stop in zip(a.indptr[:-1], a.indptr[1:], strict=True):
        data[start + (stop - start) // 2 : stop : 1000] = value  # in the middle of every row
    a = a.with_data(data)
    found = run("softmax_csr", a)
    assert_right("softmax_csr", found, a)
    expected = np.isnan(value) or value > 0
    assert np.isnan(found.data[a.indptr[6] : a.indptr[7]]).all() == expected
    only = a.with_data(np.full_like(data, -np.inf))
    assert np.isnan(run("softmax_csr", only).data).all()


@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_softmax_far_from_zero(value: float) -> None:
    a = CSR(np.full(5, value, np.float32), np.arange(5), [0, 5], (1, 5))
    np.testing.assert_allclose(run("softmax_csr", a).data, 0.2, 1e-6)


def test_the_mean_length_decides_how_many_threads_share_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launches = with_seed(monkeypatch, None)
    for length, team in ((1, 1), (9, 4), (100, 32), (1100, 256)):
        n = np.arange(length)
        a = CSR(np.ones(2 * length), np.append(n, n), [0, length, 2 * length], (2, length))
        launches.clear()
        np.testing.assert_array_equal(run("softmax_csr", a).data, 1 / length)
        assert launches[0][0].names["team"] == team


# -- sddmm -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", SDDMM)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sampled_dots_of_whole_numbers_are_exact(dtype: str, format: str) -> None:
    t = awkward(dtype, (15, 11))
    a = hold(t, format)
    for depth in (0, 5, 17):
        x, y = (np.trunc(z) for z in factors(t, depth))
        x, y = x.astype(dtype), y.astype(dtype)
        a = a.with_data(np.trunc(a.data).astype(dtype))
        found, wanted = (run(f"sddmm_{format}", a, x, y, level=v) for v in ("gpu", "loops"))
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found.data, wanted.data, f"depth {depth}")


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16, 32])
def test_any_number_of_lanes_may_share_a_dot(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sddmm, "lanes_for", lambda depth: lanes)
    t = awkward("float32", long=300)
    a = hold(t, "csr")
    for depth in (1, 31, 33):
        x, y = factors(t, depth)
        assert_right("sddmm_csr", run("sddmm_csr", a, x, y), a, x, y)


@pytest.mark.parametrize("format", SDDMM)
def test_factors_may_lie_anyhow(format: str) -> None:
    t = awkward("float32")
    x, y = factors(t, 18)
    a = hold(t, format)
    wanted = run(f"sddmm_{format}", a, x, y)
    for given in (np.asfortranarray(y), y[::-1].copy()[::-1], np.repeat(y, 2, 1)[:, ::2]):
        found = run(f"sddmm_{format}", a, np.asfortranarray(x), given)
        np.testing.assert_array_equal(found.data, wanted.data)


def test_a_stored_zero_beside_inf() -> None:
    t = Triplets(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.0, 0, 2]), (2, 2))
    x, y = np.array([[np.inf], [1]]), np.array([[1.0, 0]])
    for format in ("csr", "csc", "coo"):
        found = run(f"sddmm_{format}", hold(t, format), x, y).to_dense()
        np.testing.assert_array_equal(found, [[np.nan, np.nan], [2, 0]])


@pytest.mark.parametrize("format", ["bsr", "nm"])
def test_what_lies_beyond_the_edge_stays_zero(format: str) -> None:
    t = awkward("float32", (13, 10))  # blocks of 2 x 3, groups of 4
    x, y = factors(t, 3)
    x[-1], y[:, -1] = np.inf, np.nan
    a = hold(t, format)
    found = run(f"sddmm_{format}", a, x, y)
    found.check()
    np.testing.assert_array_equal(found.data, run(f"sddmm_{format}", a, x, y, level="loops").data)


# -- attention -------------------------------------------------------------------------------------


def mask_of_lengths(dtype: str = "float32") -> CSR:
    a = rows_of_lengths(dtype)
    lengths = np.minimum(LENGTHS, 70)  # three parts of 32 keys
    slots = np.concatenate([s + np.arange(n) for s, n in zip(a.indptr, lengths, strict=False)])
    indptr = np.append(0, lengths.cumsum())
    return CSR(a.data[slots], a.indices[slots] % 90, indptr, (a.shape[0], 90))


def of_mask(a: CSR, depth: int, width: int) -> tuple[Array, Array, Array]:
    none = np.zeros(0, np.intp)
    return vectors(Triplets(none, none, np.zeros(0, a.dtype), a.shape), depth, width)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("depth", "width"), [(0, 1), (3, 31), (16, 33), (20, 64), (1, 70)])
def test_attention_to_any_number_of_keys(dtype: str, depth: int, width: int) -> None:
    mask = mask_of_lengths(dtype)
    given = mask, *of_mask(mask, depth, width)
    found = run("attention_csr", *given, scale=0.1)
    assert_right("attention_csr", found, *given, scale=0.1)
    assert not found[0].any()  # who looks at nothing


def test_more_columns_than_a_warp_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = mask_of_lengths()
    given = mask, *of_mask(mask, 4, 90)
    wanted = run("attention_csr", *given)
    monkeypatch.setattr(attention, "MOST", 32)
    launches = with_seed(monkeypatch, 1)
    np.testing.assert_array_equal(run("attention_csr", *given), wanted)
    assert launches[0][0].names["tile"] == 32


@pytest.mark.parametrize("order", [1, -1])
def test_the_largest_score_may_come_last(order: int) -> None:
    n = 100
    mask = CSR(np.linspace(-60, 60, n, dtype="f4")[::order], np.arange(n), [0, n], (1, n))
    q, k = np.ones((1, 1), "f4"), np.ones((n, 1), "f4")
    v = random_values(np.random.default_rng(0), (n, 3), "float32")
    assert_right("attention_csr", run("attention_csr", mask, q, k, v), mask, q, k, v)


def test_values_near_the_largest_number_do_not_overflow() -> None:
    mask = mask_of_lengths()
    q, k, v = of_mask(mask, 2, 3)
    v = np.full_like(v, 3e38)
    found = run("attention_csr", mask, q, k, v)
    np.testing.assert_allclose(found[1:], 3e38, 1e-5)


@pytest.mark.parametrize("format", ATTENTION)
@pytest.mark.parametrize("at", [0, 40, 69])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite(value: float, at: int, format: str) -> None:
    n = 70
    row, col = np.repeat([0, 1], n), np.tile(np.arange(n), 2)
    data = np.ones(2 * n, np.float32)
    data[at] = value
    mask = hold(Triplets(row, col, data, (2, n)), format)
    ones = np.ones((n, 1), np.float32)
    v = np.arange(n, dtype=np.float32)[:, None]
    found = run(f"attention_{format}", mask, ones[:2], ones, v)
    others = (v.sum() - at) / (n - 1)
    expected = others if value == -np.inf else np.nan
    np.testing.assert_allclose(found[:, 0], [expected, v.mean()], 1e-5)


def test_scores_of_nothing_but_minus_infinity() -> None:
    n = 40
    data = np.full(2 * n, -np.inf, np.float32)
    data[-1] = 1  # only the last key of the second query has a weight
    mask = CSR(data, np.tile(np.arange(n), 2), [0, n, 2 * n], (2, n))
    ones = np.ones((n, 1), np.float32)
    v = np.arange(n, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(run("attention_csr", mask, ones[:2], ones, v)[:, 0], [np.nan, 39])


def test_scores_far_below_those_that_are_none() -> None:
    t = Triplets(np.array([0, 0]), np.array([3, 0]), np.ones(2, np.float32), (1, 4))
    mask = hold(t, "bsr", (1, 3)).with_data(np.array([[[1, 1, 1]], [[1, 0, 0]]], np.float32))
    q, k, v = np.full((1, 1), 1e3, "f4"), np.full((4, 1), -1, "f4"), np.ones((4, 1), "f4")
    np.testing.assert_array_equal(run("attention_bsr", mask, q, k, v), [[1]])


@pytest.mark.parametrize("dtype", FLOATS)
def test_entries_in_any_order(dtype: str) -> None:
    t = awkward(dtype, long=40)
    wanted = run("attention_csr", hold(t, "csr"), *vectors(t, 4, 3))
    np.testing.assert_array_equal(run("attention_coo", hold(t, "coo"), *vectors(t, 4, 3)), wanted)
    assert_right("attention_csr", wanted, hold(t, "csr"), *vectors(t, 4, 3))


def test_an_infinite_value_beyond_the_edge_of_a_block() -> None:
    t = Triplets(np.array([0, 2]), np.array([0, 3]), np.ones(2, np.float32), (3, 4))
    mask = hold(t, "bsr", (2, 3))
    q, k, v = np.zeros((3, 1), "f4"), np.zeros((4, 1), "f4"), np.array([[1], [2], [3], [np.inf]])
    given = mask, q, k, v.astype("f4")
    found = run("attention_bsr", *given)
    assert_right("attention_bsr", found, *given)
    np.testing.assert_allclose(found[:, 0], [2, 2, np.inf])
