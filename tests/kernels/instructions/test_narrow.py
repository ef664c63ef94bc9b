"""Rounding to narrow formats: against fractions, against NumPy and ml_dtypes, at every edge."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.errors import UsageError
from minisparse.kernels.instructions import FORMATS, round_to
from minisparse.kernels.instructions.narrow import NO_EXPONENT, Ties, exponents
from tests.kernels.instructions.references import KINDS, rounded

TIES: list[Ties] = ["even", "away", "zero"]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.integers(-160, 130),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(TIES),
)
def test_every_number_is_rounded_once(
    values: list[float], scale: int, format: str, ties: Ties
) -> None:
    near = np.ldexp(np.frexp(np.array(values))[0], scale)
    precision, _, largest = KINDS[format]
    limit = (2 - 2.0 ** (1 - precision)) * 2.0**largest
    with np.errstate(over="ignore"):
        coarse = near.astype(np.float16).astype(np.float64)
    for x in (np.array(values), near, coarse[np.isfinite(coarse)]):
        expected = [float(rounded(Fraction(v), KINDS[format], ties)) for v in x]
        if ties == "zero":  # a conversion toward zero stops at the largest number
            expected = [min(max(v, -limit), limit) for v in expected]
        assert round_to(x, format, ties).tolist() == expected


def test_too_large_is_infinite_but_toward_zero() -> None:
    assert round_to([1e300, -65520.0, 65519.0], "float16").tolist() == [np.inf, -np.inf, 65504]
    assert round_to([1e300, -65520.0], "float16", "zero").tolist() == [65504, -65504]


def test_it_agrees_with_numpy_on_every_float16_and_between_any_two() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = np.sort(every[np.isfinite(every)]).astype(np.float64)
    middles = (finite[1:] + finite[:-1]) / 2
    around = np.concatenate([finite, middles, np.nextafter(middles, 0), np.nextafter(middles, 1e9)])
    np.testing.assert_array_equal(round_to(around, "float16"), around.astype(np.float16))


def test_it_agrees_with_ml_dtypes_on_bfloat16() -> None:
    ml_dtypes = pytest.importorskip(
        "ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"'
    )
    words = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint64)
    x = words.astype(np.uint32).view(np.float32)
    x = np.where(np.isnan(x), np.float32(1), x)
    expected = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(round_to(x, "bfloat16"), expected)


def test_infinities_nan_and_the_sign_of_zero_stay() -> None:
    found = round_to([np.inf, -np.inf, np.nan, -0.0, -1e-300], "bfloat16")
    assert found[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(found[2])
    assert np.signbit(found[3:]).all()


def test_subnormal_numbers_have_the_smallest_exponent() -> None:
    for format, f in FORMATS.items():
        x = round_to(np.ldexp(-1.5, np.arange(-160, 130)), format)
        x = x[np.isfinite(x)]
        e = exponents(x, format).astype(int)
        normal = np.abs(x) >= 2.0**f.smallest
        np.testing.assert_array_equal(np.abs(x)[normal], 1.5 * 2.0 ** e[normal])
        assert set(e[~normal].tolist()) == {f.smallest, NO_EXPONENT}
        assert ((e == NO_EXPONENT) == (x == 0)).all()


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="no format 'fp8'; formats: float16"):
        round_to(1.0, "fp8")
    with pytest.raises(UsageError, match="'even', 'away' or 'zero'"):
        round_to(1.0, "tf32", "up")  # type: ignore[arg-type]
