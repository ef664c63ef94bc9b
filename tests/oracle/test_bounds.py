"""Bounds hold for every order of summation, and are not far from what orders really lose."""

from collections.abc import Callable

import numpy as np
import pytest

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.triplets import Triplets
from minisparse.ops import SPMM
from minisparse.oracle import bounds, exact, judge
from minisparse.oracle.truth import Truth
from minisparse.oracle.values import DTYPES, is_float

FLOATS = [d for d in DTYPES if is_float(d)]


def one_by_one(a: Array, b: Array) -> Array:
    c = np.zeros(b.shape[1], a.dtype)
    for k in range(len(a)):
        c = c + a[k] * b[k]
    return c


def backwards(a: Array, b: Array) -> Array:
    return one_by_one(a[::-1], b[::-1])


def pairwise(a: Array, b: Array) -> Array:
    terms = a[:, None] * b
    while len(terms) > 1:
        half = len(terms) // 2
        terms = np.concatenate([terms[:half] + terms[half : 2 * half], terms[2 * half :]])
    return np.asarray(terms[0])


def in_blocks(a: Array, b: Array) -> Array:
    lanes = np.zeros((8, b.shape[1]), a.dtype)
    for k in range(len(a)):
        lanes[k % 8] += a[k] * b[k]
    return np.asarray(lanes.sum(axis=0, dtype=a.dtype))


def blas(a: Array, b: Array) -> Array:
    return np.asarray(a @ b)


def fused_multiply_add(a: Array, b: Array) -> Array:
    """Products unrounded (exact for float32 in float64), each sum rounded once."""
    wide = np.float64 if a.dtype.itemsize < 8 else np.longdouble
    c = np.zeros(b.shape[1], a.dtype)
    for k in range(len(a)):
        c = (c.astype(wide) + a[k].astype(wide) * b[k].astype(wide)).astype(a.dtype)
    return c


ORDERS: tuple[Callable[[Array, Array], Array], ...] = (
    one_by_one,
    backwards,
    pairwise,
    in_blocks,
    blas,
    fused_multiply_add,
)


def dots(dtype: np.dtype[np.generic], terms: int, positive: bool) -> tuple[Array, Array, Truth]:
    rng = np.random.default_rng([terms, positive])
    a = rng.random(terms) if positive else rng.standard_normal(terms)
    b = rng.random((terms, 400)) if positive else rng.standard_normal((terms, 400))
    a, b = a.astype(dtype), b.astype(dtype)
    row = np.zeros(terms, int)
    return a, b, exact(SPMM, (Triplets(row, np.arange(terms), a, (1, terms)), b))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_no_order_leaves_the_bound_and_some_come_near(dtype: np.dtype[np.generic]) -> None:
    wide, worst = accumulator(dtype), 0.0
    for terms in (1, 2, 3, 5, 17, 100):
        for positive in (True, False):
            a, b, truth = dots(dtype, terms, positive)
            for order in ORDERS:
                got = order(a.astype(wide), b.astype(wide)).astype(dtype)[None]
                found = judge(got, truth)
                assert found.passed, f"{order.__name__}, {terms} terms: {found.message}"
                worst = max(worst, found.error_over_bound)
    assert worst > 0.5  # a bound that nothing comes near proves nothing


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bound_of_a_quarter_is_left(dtype: str) -> None:
    """The test above, broken on purpose: it would notice a bound that is too small."""
    a, b, truth = dots(np.dtype(dtype), 3, True)
    from dataclasses import replace

    small = replace(truth, bound=truth.bound / 4)
    assert not judge(one_by_one(a, b)[None], small).passed


def test_narrow_accumulation_is_found() -> None:
    a, b, truth = dots(np.dtype("float16"), 100, True)
    assert not judge(one_by_one(a, b)[None], truth).passed


def test_whole_numbers_leave_no_room() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(-8, 9, 50).astype("f4")
    b = rng.integers(-8, 9, (50, 7)).astype("f4")
    entries = Triplets(np.zeros(50, int), np.arange(50), a, (1, 50))
    truth = exact(SPMM, (entries, b))
    assert not truth.bound.any()
    got = (a @ b)[None]
    assert judge(got, truth).passed
    assert judge(np.nextafter(got, np.float32(1e9)), truth).rule == "value"
    beyond = exact(SPMM, (entries._replace(data=a * 2**20), b))  # sums may exceed 2**24
    assert beyond.bound.any()


def test_facts_of_dtypes() -> None:
    for dtype in ("float16", "float32", "float64"):
        info = np.finfo(dtype)
        assert bounds.unit_roundoff(np.dtype(dtype)) == info.eps / 2
        assert bounds.smallest_subnormal(np.dtype(dtype)) == info.smallest_subnormal
        assert bounds.largest_finite(np.dtype(dtype)) == info.max


def test_facts_of_bfloat16() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype, info = np.dtype(ml_dtypes.bfloat16), ml_dtypes.finfo(ml_dtypes.bfloat16)
    assert bounds.unit_roundoff(dtype) == float(info.eps) / 2
    assert bounds.smallest_subnormal(dtype) == float(info.smallest_subnormal)
    assert bounds.largest_finite(dtype) == float(info.max)


def test_relu_bends_the_bound() -> None:
    value, error = np.array([2.0, -2.0, -1.0, 0.0]), np.array([0.5, 0.5, 3.0, 0.25])
    assert bounds.relu(value, error).tolist() == [0.5, 0.0, 2.0, 0.25]


def test_vacuous_means_that_zero_would_pass() -> None:
    value, bound = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.5, 1.0, 0.0, 1e-9])
    assert bounds.is_vacuous(value, bound).tolist() == [False, True, False, True]
