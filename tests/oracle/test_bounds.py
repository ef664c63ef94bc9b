"""Bounds say what their sources say, at their edges too; test_campaign tries them on orders."""

from dataclasses import replace
from decimal import localcontext

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.ops import GEMM, SPMM
from minisparse.oracle import bounds, exact, judge
from minisparse.oracle.sampled import exact_sddmm
from minisparse.oracle.softmax import exact_softmax
from minisparse.oracle.truth import Truth
from tests.oracle.campaign_orders import sequential


def dots(dtype: np.dtype[np.generic], terms: int, positive: bool) -> tuple[Array, Array, Truth]:
    rng = np.random.default_rng([terms, positive])
    a = rng.random(terms) if positive else rng.standard_normal(terms)
    b = rng.random((terms, 400)) if positive else rng.standard_normal((terms, 400))
    a, b = a.astype(dtype), b.astype(dtype)
    row = np.zeros(terms, int)
    return a, b, exact(SPMM, (Triplets(row, np.arange(terms), a, (1, terms)), b))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bound_of_a_quarter_is_left(dtype: str) -> None:
    """The test above, broken on purpose: it would notice a bound that is too small."""
    a, b, truth = dots(np.dtype(dtype), 3, True)
    small = replace(truth, bound=truth.bound / 4)
    assert not judge(sequential(a, b)[None], small).passed


def test_narrow_accumulation_is_found() -> None:
    a, b, truth = dots(np.dtype("float16"), 100, True)
    assert not judge(sequential(a, b)[None], truth).passed


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


def test_integers_fit_up_to_the_largest() -> None:
    size = np.array([127, 128, 2**31 - 1, 2**31])
    assert bounds.integer_sums_fit(size, np.dtype("int8")).tolist() == [True, False, False, False]
    assert bounds.integer_sums_fit(size, np.dtype("int32")).tolist() == [True, True, True, False]
    assert bounds.integer_sums_fit(np.array([1, 2]), np.dtype("bool")).tolist() == [True, False]


def test_tf32_adds_its_share() -> None:
    """``2**-10 S``, and what that makes of the terms."""
    single = np.dtype("float32")
    for count in (1, 10, 1000):
        plain = bounds.sum_of_products(np.array(count), np.array(2.0), single)
        more = bounds.rounded_factors(np.array(count), np.array(2.0), 11, single) - plain
        assert 2.0**-9 < more < 2.0**-9 * 1.001 + plain * 0.001


def test_one_more_covers_the_terms_of_second_order() -> None:
    u = bounds.unit_roundoff(np.dtype("float16"))
    for count in (1, 5, 500):
        assert count * u * (1 + u) + u <= bounds.one_more(np.array(count), np.dtype("float16")) * u


def _sddmm(s: float, x: float, y: float) -> Truth:
    mask = Triplets(np.zeros(1, int), np.zeros(1, int), np.array([s], "f4"), (1, 1))
    return exact_sddmm(mask, np.array([[x]], "f4"), np.array([[y]], "f4"))


@pytest.mark.parametrize(("s", "x", "y"), [(1e30, 1e-25, 1e-25), (1e-30, 1e-20, 1e30)])
def test_what_underflows_before_it_is_scaled_up(s: float, x: float, y: float) -> None:
    """Either order of three factors may underflow, and be right."""
    truth = _sddmm(s, x, y)
    dot_first = np.float32(s) * (np.float32(x) * np.float32(y))
    scaled_first = (np.float32(s) * np.float32(x)) * np.float32(y)
    assert (dot_first == 0) != (scaled_first == 0)
    for got in (dot_first, scaled_first):
        assert judge(np.array([got]), truth).passed


def test_what_overflows_before_it_is_scaled_down() -> None:
    truth = _sddmm(1e30, 1e30, 1e-30)
    assert judge(np.array([np.inf], "f4"), truth).passed
    assert judge(np.array([1e30], "f4"), truth).passed
    assert not judge(np.array([1.1e30], "f4"), truth).passed


def test_infinity_times_a_dot_that_may_be_zero() -> None:
    """Cancelling terms: whether the dot is 0 or of either sign depends on the order."""
    mask = Triplets(np.zeros(1, int), np.zeros(1, int), np.array([np.inf], "f4"), (1, 1))
    x = np.array([[0.1, 0.7, -0.1, -0.7]], "f4")
    truth = exact_sddmm(mask, x, np.full((4, 1), 0.3, "f4"))
    for got in (np.inf, -np.inf, np.nan):
        assert judge(np.array([got], "f4"), truth).verdict == "VACUOUS"
    certain = exact_sddmm(mask, np.abs(x), np.full((4, 1), 0.3, "f4"))
    assert judge(np.array([np.inf], "f4"), certain).passed
    assert not judge(np.array([np.nan], "f4"), certain).passed


@pytest.mark.parametrize("attrs", [{"alpha": 0.3}, {"alpha": 0.3, "beta": 0.7}])
def test_gemm_rounds_float16_before_it_scales(attrs: dict[str, float]) -> None:
    """As its rule says, and as its dense meaning does: two or three narrow roundings."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(60):
        a, b = rng.standard_normal((8, 1)).astype("f2"), rng.standard_normal((1, 8)).astype("f2")
        c = (rng.standard_normal((8, 8)).astype("f2"),) if "beta" in attrs else ()
        found = judge(GEMM.dense((a, b, *c), GEMM.complete(attrs)), exact(GEMM, (a, b, *c), attrs))
        assert found.passed, found.message
        worst = max(worst, found.error_over_bound)
    assert worst > 0.5


def test_complex_bounds_are_those_of_their_parts() -> None:
    """2 K products of either part, and of those with a zero part only K."""
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 9)), rng.standard_normal((2, 9, 1))
    row, u = np.zeros(9, int), 2.0**-53
    for x in (a[0] + 1j * a[1], a[0] + 0j):
        truth = exact(SPMM, (Triplets(row, np.arange(9), x, (1, 9)), b[0] + 1j * b[1]))
        count = 18 if x.imag.any() else 9
        size = np.abs(x.real) @ np.abs(b[0]) + np.abs(x.imag) @ np.abs(b[1])
        assert truth.bound[0, 0].real == pytest.approx(count * u * size[0], rel=1e-6)


def test_softmax_asks_no_caller_how_to_round() -> None:
    a = Triplets(np.zeros(3, int), np.arange(3), np.array([0.1, 2.0, -3.0]), (1, 3))
    first = exact_softmax(a)
    with localcontext(prec=3):
        second = exact_softmax(a)
    assert np.array_equal(first.hi, second.hi)
    assert np.array_equal(first.lo, second.lo)
    u = 2.0**-53
    off = (2.0 - a.data) * u + 6 * u
    by_logarithm = (2.0 - a.data) * u + 2 * np.log(3) * u
    formula = first.hi * (off + by_logarithm + first.hi @ off + 5 * u)
    assert first.bound == pytest.approx(formula, rel=1e-9)


def test_softmax_of_far_and_infinite_distances() -> None:
    data = np.array([3e38, -3e38, -np.inf], "f4")
    truth = exact_softmax(Triplets(np.zeros(3, int), np.arange(3), data, (1, 3)))
    assert truth.hi.tolist() == [1, 0, 0]
    assert np.isfinite(truth.bound).all()
    assert truth.bound.max() < 1e-5


@pytest.mark.parametrize("dtypes", [("f2", "f4"), ("f4", "f8"), ("f4", "f2"), ("i1", "f4")])
@pytest.mark.parametrize("attrs", [{"alpha": 0.3, "beta": 0.7}, {}])
def test_gemm_of_two_dtypes_scales_in_the_result_dtype(
    dtypes: tuple[str, str], attrs: dict[str, float]
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = (4 * rng.standard_normal((2, 8, 8))).astype(dtypes[0])
        operands = a[:, :3], b[:3], rng.standard_normal((8, 8)).astype(dtypes[1])
        found = judge(GEMM.dense(operands, GEMM.complete(attrs)), exact(GEMM, operands, attrs))
        assert found.passed, found.message
