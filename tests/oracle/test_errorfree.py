"""What error-free transformations promise, held against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from minisparse.oracle.errorfree import split, sum_pairs, two_product, two_sum

RNG = np.random.default_rng(7)
WIDE = RNG.standard_normal(300) * np.exp2(RNG.integers(-200, 200, 300))
OTHER = RNG.standard_normal(300) * np.exp2(RNG.integers(-200, 200, 300))


def test_two_sum_is_exact() -> None:
    s, e = two_sum(WIDE, OTHER)
    for a, b, hi, lo in zip(WIDE, OTHER, s, e, strict=True):
        assert Fraction(a) + Fraction(b) == Fraction(hi) + Fraction(lo)
        assert hi == a + b


def test_two_product_is_exact() -> None:
    p, e = two_product(WIDE, OTHER)
    for a, b, hi, lo in zip(WIDE, OTHER, p, e, strict=True):
        assert Fraction(a) * Fraction(b) == Fraction(hi) + Fraction(lo)


def test_split_leaves_26_bits() -> None:
    high, low = split(WIDE)
    assert np.array_equal(high + low, WIDE)
    for part in (high, low):
        mantissa = np.frexp(part)[0] * 2.0**26
        assert np.array_equal(mantissa, np.rint(mantissa))


@pytest.mark.parametrize(
    ("a", "b"), [(2.0**-600, 2.0**-600), (1e300, 1e300), (2.0**1000, 2.0**-900), (3e-310, 1.5)]
)
def test_two_product_says_where_nothing_is_proven(a: float, b: float) -> None:
    with np.errstate(all="ignore"):
        _, e = two_product(np.array(a), np.array(b))
    assert np.isnan(e)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 300])
@pytest.mark.parametrize("with_errors", [False, True])
def test_sum_pairs_is_within_its_residual(count: int, with_errors: bool) -> None:
    terms = (WIDE if count == 300 else RNG.standard_normal(300))[:count, None] * np.ones(2)
    errors = terms * 2.0**-60 if with_errors else None
    hi, lo, residual = sum_pairs(terms, errors)
    for n in range(2):
        right = sum((Fraction(x) for x in terms[:, n]), Fraction(0))
        if errors is not None:
            right += sum((Fraction(x) for x in errors[:, n]), Fraction(0))
        assert abs(right - Fraction(hi[n]) - Fraction(lo[n])) <= Fraction(residual[n])
        assert hi[n] == hi[n] + lo[n]


def test_a_residual_of_zero_is_met_often_and_is_true() -> None:
    terms = RNG.standard_normal((40, 200)).astype(np.float32).astype(np.float64)
    hi, lo, residual = sum_pairs(terms * terms[::-1], None)
    assert (residual == 0).mean() > 0.9
    for n in np.flatnonzero(residual == 0)[:20]:
        right = sum((Fraction(x) for x in terms[:, n] * terms[::-1, n]), Fraction(0))
        assert right == Fraction(hi[n]) + Fraction(lo[n])
