"""Exact answers against a second oracle of fractions, and against every op's dense meaning."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import accumulator
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.triplets import Triplets
from minisparse.formats import from_triplets
from minisparse.ops import BATCH_NORMALIZATION, CONV, GEMM, OPS, SPMM, SPMV, Op
from minisparse.oracle import DEFAULT, IEEE, Profile, exact, exact_results, judge
from minisparse.oracle.bounds import smallest_subnormal, unit_roundoff
from minisparse.oracle.cases import hard_problems
from minisparse.oracle.problem import Problem
from minisparse.oracle.random_cases import random_problem
from minisparse.oracle.truth import Truth
from minisparse.oracle.values import is_float
from tests.oracle.fraction_oracle import number, times, total


def _few(problem: Problem) -> bool:
    return bool((len(problem.a.row) + problem.a.shape[0]) * problem.b.shape[1] < 800)


SMALL = [p for p in hard_problems(np.random.default_rng(3)) if _few(p)]
DRAWN = [p for p in (random_problem(5, i) for i in range(100)) if _few(p)]


def assert_is(truth: Truth, at: tuple[int, ...], right: Fraction | float, pairs: list[Any]) -> None:
    """Compare one real element with the second oracle."""
    hi, lo = float(truth.hi[at].real), float(truth.lo[at].real)
    if isinstance(right, float):
        assert math.isnan(hi) if math.isnan(right) else hi == right
        return
    error = abs(right - Fraction(hi) - Fraction(lo))
    assert error <= abs(right) / 2**69 + Fraction(2) ** -1074
    assert hi == float(right) or error == 0
    # The bound, from its definition.
    dtype = truth.dtype
    size = sum((abs(Fraction(float(x)) * Fraction(float(y))) for x, y in pairs), Fraction(0))
    wide = accumulator(dtype)
    count = sum(float(x) != 0 for x, _ in pairs)
    formula = count * (Fraction(unit_roundoff(wide)) * size + Fraction(smallest_subnormal(wide)))
    bound = Fraction(float(truth.bound[at].real))
    whole = all(float(v).is_integer() for pair in pairs for v in pair)
    if wide == dtype:
        if bound == 0:  # bitwise equality is due only where nothing can be rounded
            assert not count or (whole and size * Fraction(unit_roundoff(wide)) <= 1)
        lost = formula / 10**8 + Fraction(2) ** -1074 * len(pairs)  # in computing the bound
        assert bound == 0 or formula - lost <= bound <= formula + lost + error * 2
    else:
        assert bound <= formula + Fraction(unit_roundoff(dtype)) * (abs(right) + formula) * 2 + 1


@pytest.mark.parametrize("problem", SMALL + DRAWN, ids=lambda p: p.label)
def test_bounds_follow_from_their_definition(problem: Problem) -> None:
    a, b = problem.a, problem.b
    dtype = np.result_type(a.data, b)
    truth = exact(SPMM, (a, b))
    assert truth.dtype == dtype
    assert truth.shape == (a.shape[0], b.shape[1])
    if dtype.kind in "biu":
        assert not truth.bound.any()
    if not is_float(dtype):
        return
    pairs: dict[tuple[int, int], list[Any]] = {at: [] for at in np.ndindex(*truth.shape)}
    data, beside = a.data.astype(dtype), b.astype(dtype)
    for m, k, x in zip(a.row.tolist(), a.col.tolist(), data, strict=True):
        for n in range(b.shape[1]):
            pairs[m, n].append((x, beside[k, n]))
    for at, factors in pairs.items():
        terms = (times(number(x, dtype), number(y, dtype)) for x, y in factors)
        assert_is(truth, at, total(terms, 1)[0], factors)


@pytest.mark.parametrize("format", ["coo", "csr", "csc", "bsr"])
def test_formats_make_no_difference(format: str) -> None:
    for problem in SMALL[:40]:
        if not np.isfinite(problem.b).all() or not np.isfinite(problem.a.data).all():
            continue
        stored = (
            from_triplets(problem.a, format, block=(2, 3))
            if format == "bsr"
            else (from_triplets(problem.a, format))
        )
        first, second = exact(SPMM, (problem.a, problem.b)), exact(SPMM, (stored, problem.b))
        assert np.array_equal(first.hi, second.hi), problem.label


def test_spmv_is_a_column_of_spmm() -> None:
    for problem in SMALL:
        if problem.b.shape[1] and problem.a.data.dtype == problem.b.dtype:
            y = exact(SPMV, (problem.a, problem.b[:, 0]))
            c = exact(SPMM, (problem.a, problem.b))
            assert np.array_equal(y.hi, c.hi[:, 0], equal_nan=True)
            assert np.array_equal(y.bound, c.bound[:, 0])


def test_implicit_zeros_follow_the_profile() -> None:
    a = Triplets(np.array([0]), np.array([0]), np.array([2.0]), (2, 2))
    b = np.array([[1.0], [np.inf]])
    assert exact(SPMM, (a, b)).hi.tolist() == [[2.0], [0.0]]
    assert np.isnan(exact(SPMM, (a, b), profile=IEEE).hi).all()
    stored = Triplets(np.array([0, 0]), np.array([0, 1]), np.array([2.0, 0.0]), (2, 2))
    assert np.isnan(exact(SPMM, (stored, b)).hi[0, 0])


def test_zeros_of_dense_operands_are_computed_with() -> None:
    x, w = np.array([[np.inf, 1.0]], "f4"), np.array([[0.0, 2.0], [1.0, 0.0]], "f4")
    for operands, attrs in (((x, w), {"transB": 1}), ((w, x.T.copy()), {})):
        hi = exact(GEMM, operands, attrs).hi.ravel()
        assert np.isnan(hi[0])
        assert hi[1] == np.inf
    images = np.array([np.inf, 1, 1, 1], "f4").reshape(1, 1, 2, 2)
    filters = np.array([0.0, 1.0], "f4").reshape(1, 1, 1, 2)
    hi = exact(CONV, (images, filters)).hi.ravel()
    assert np.isnan(hi[0])
    assert hi[1] == 1


@pytest.mark.parametrize("profile", [DEFAULT, IEEE], ids=lambda p: p.name)
def test_large_sums_agree_with_small_ones(profile: Profile) -> None:
    """Rows of many chunks, and columns of many, give what single elements give."""
    rng = np.random.default_rng(1)
    a = np.where(rng.random((70, 400)) < 0.5, rng.standard_normal((70, 400)), 0).astype("f4")
    row, col = np.nonzero(a)
    entries = Triplets(row, col, a[row, col], a.shape)
    b = rng.standard_normal((400, 130)).astype("f4")
    truth = exact(SPMM, (entries, b), profile=profile)
    for m, n in ((0, 0), (69, 129), (33, 64)):
        right = sum(
            (Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a[m], b[:, n], strict=True)),
            Fraction(0),
        )
        assert right == Fraction(truth.hi[m, n]) + Fraction(truth.lo[m, n])


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_dense_meanings_are_within_the_bounds(op: Op) -> None:
    """Two that were written apart: ops' dense meanings, by NumPy, and exact answers."""
    worst, rounds = 0.0, False
    for sample in op.samples(np.random.default_rng(0)):
        dense = [x.to_dense() if isinstance(x, Triplets) else x for x in sample.operands]
        with np.errstate(all="ignore"):
            got = op.dense(dense, op.complete(sample.attrs))
        # Where only what is stored takes part, the meaning is that of a mask that stores all.
        given = dense if op.name in ("attention", "sddmm", "softmax") else sample.operands
        truths = exact_results(op, given, sample.attrs, IEEE)
        for one, truth in zip(got if isinstance(got, tuple) else (got,), truths, strict=True):
            found = judge(one, truth)
            assert found.passed, f"{sample.label}: {found.message}"
            worst = max(worst, found.error_over_bound)
            rounds = rounds or bool(truth.bound.any())
    rounds = rounds and op.name != "convert"  # which sums the few cells that are stored twice
    assert worst > 0.2 if rounds else worst == 0


@pytest.mark.parametrize(
    "attrs", [{}, {"alpha": 0.3}, {"beta": -1.7}, {"alpha": 2.0, "beta": 0.1, "transB": 1}]
)
def test_gemm_is_what_fractions_say(attrs: dict[str, Any]) -> None:
    rng = np.random.default_rng(2)
    for dtype in ("float32", "float64"):
        a, c = rng.standard_normal((4, 6)).astype(dtype), rng.standard_normal((1, 3)).astype(dtype)
        b = rng.standard_normal((6, 3)).astype(dtype)
        truth = exact(GEMM, (a, b.T.copy() if "transB" in attrs else b, c), attrs)
        alpha, beta = (
            Fraction(float(np.dtype(dtype).type(attrs.get(name, 1)))) for name in ("alpha", "beta")
        )
        for m in range(4):
            for n in range(3):
                terms = [Fraction(float(a[m, k])) * Fraction(float(b[k, n])) for k in range(6)]
                addend = beta * Fraction(float(c[0, n]))
                right = alpha * sum(terms, Fraction(0)) + addend
                size = abs(alpha) * sum(map(abs, terms), Fraction(0)) + abs(addend)
                error = right - Fraction(truth.hi[m, n]) - Fraction(truth.lo[m, n])
                assert abs(error) <= size / 2**100
                u = Fraction(unit_roundoff(np.dtype(dtype)))
                assert u * size < Fraction(truth.bound[m, n]) <= 10 * u * size


def test_conv_is_what_fractions_say() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 4, 5, 4)).astype("f4")
    w = rng.standard_normal((6, 2, 3, 2)).astype("f4")
    bias = rng.standard_normal(6).astype("f4")
    attrs = {"pads": (1, 0, 0, 1), "strides": (2, 1), "dilations": (1, 2), "group": 2}
    truth = exact(CONV, (x, w, bias), attrs)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1)))
    for at in np.ndindex(*truth.shape):
        n, m, i, j = at
        right = Fraction(float(bias[m]))
        for c, di, dj in np.ndindex(2, 3, 2):
            seen = padded[n, m // 3 * 2 + c, i * 2 + di, j + dj * 2]
            right += Fraction(float(w[m, c, di, dj])) * Fraction(float(seen))
        error = right - Fraction(float(truth.hi[at])) - Fraction(float(truth.lo[at]))
        assert abs(error) <= abs(right) / 2**69


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_normalization_is_what_integers_say(dtype: str) -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((3, 4)).astype(dtype)
    scale, bias, mean = (rng.standard_normal(4).astype(dtype) for _ in range(3))
    var = rng.random(4).astype(dtype)
    truth = exact(BATCH_NORMALIZATION, (x, scale, bias, mean, var), {"epsilon": 1e-3})
    for n, c in np.ndindex(3, 4):
        square = Fraction(float(var[c])) + Fraction(1e-3)
        root = Fraction(math.isqrt(int(square * 4**200)), 2**200)
        right = (Fraction(float(x[n, c])) - Fraction(float(mean[c]))) * Fraction(float(scale[c]))
        right = right / root + Fraction(float(bias[c]))
        error = right - Fraction(float(truth.hi[n, c])) - Fraction(float(truth.lo[n, c]))
        assert abs(error) < Fraction(1, 2**95)


def test_fused_ops_follow_from_their_parts() -> None:
    """Bias and relu on top of exact sums, against the separate ops on exact values."""
    rng = np.random.default_rng(8)
    row, col = np.nonzero(rng.random((9, 8)) < 0.5)
    a = Triplets(row, col, rng.integers(-4, 5, len(row)).astype("f4"), (9, 8))
    b, bias = rng.integers(-4, 5, (8, 5)).astype("f4"), rng.integers(-4, 5, 9).astype("f4")
    fused = exact(OPS["spmm_bias_relu"], (a, b, bias))
    right = np.maximum(a.to_dense() @ b + bias[:, None], 0)
    assert np.array_equal(fused.rounded(), right)
    assert not fused.bound.any()  # whole numbers: nothing is ever rounded


def test_bias_may_come_first() -> None:
    """A large bias as the accumulator's start loses more than one that is added at the end."""
    k = 200
    a = Triplets(np.zeros(k, int), np.arange(k), np.full(k, 0.1, "f4"), (1, k))
    b, bias = np.ones((k, 1), "f4"), np.array([1e4], "f4")
    truth = exact(OPS["spmm_bias"], (a, b, bias))
    total = bias[0]
    for value in a.data:
        total = np.float32(total + value)
    assert judge(np.array([[total]]), truth).passed
    assert abs(float(total) - truth.hi[0, 0]) > 1e4 * 2.0**-23


def test_an_unknown_op_is_named() -> None:
    from dataclasses import replace

    with pytest.raises(
        UnsupportedOpError, match=r"no exact answer for 'softmin'; it has: abs, add,"
    ):
        exact(replace(SPMM, name="softmin"), ())
