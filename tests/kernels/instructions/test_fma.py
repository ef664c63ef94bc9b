"""Fused multiply-add, bit for bit against fractions, and the orders of its sums."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, UsageError
from minisparse.kernels.instructions import Order, emulate, fused_multiply_add
from tests.kernels.instructions.references import KINDS, bits, fma

DTYPES = ("float32", "float64")


def hard_triples(rng: np.random.Generator, dtype: str, count: int, wide: bool) -> tuple[Array, ...]:
    """Return a, b and c in which c cancels most of the product, or barely reaches it."""
    digits, smallest, largest = KINDS[dtype]
    few = rng.integers(1, 2 ** rng.integers(1, digits + 1, (2, count)), endpoint=True)
    powers = rng.integers(smallest - digits, largest - digits, (2, count))
    if not wide:
        powers %= 100
    powers = np.where(rng.random(count) < 0.5, powers, rng.integers(-4, 5, (2, count)))
    with np.errstate(all="ignore"):
        a, b = np.ldexp(few.astype(dtype), powers).astype(dtype)
        product = a * b
        c = -product * rng.choice([1, 0.5, 2, 1e-8, 1e16], count)
        c = np.nextafter(c, rng.choice([-1, 0, 1], count)).astype(dtype)
        far = np.ldexp(rng.choice([-1.0, 1.0, 1.5], count), powers[0]).astype(dtype)
        c = np.where(rng.random(count) < 0.3, far, c)
        c = np.where(rng.random(count) < 0.1, 0, c).astype(dtype)
    keep = np.isfinite(a) & np.isfinite(b) & np.isfinite(c)
    return a[keep], b[keep], c[keep]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_hard_sums_are_rounded_once(dtype: str, wide: bool) -> None:
    a, b, c = hard_triples(np.random.default_rng(0), dtype, 6000, wide)
    found = fused_multiply_add(a, b, c)
    kind = KINDS[dtype]
    for x, y, z, d in zip(*(v.tolist() for v in (a, b, c, found)), strict=True):
        assert d == float(fma(x, y, z, kind)), (x.hex(), y.hex(), z.hex())


@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
def test_any_finite_numbers(dtype: str, data: st.DataObject) -> None:
    largest = float(np.finfo(dtype).max)
    number = st.floats(-largest, largest, width=32 if dtype == "float32" else 64)
    x, y, z = (data.draw(number) for _ in range(3))
    a, b, c = (np.array([v], dtype) for v in (x, y, z))
    assert float(fused_multiply_add(a, b, c)[0]) == float(fma(x, y, z, KINDS[dtype]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_signs_of_zeros_follow_ieee(dtype: str) -> None:
    values = np.array([0.0, -0.0, 1.0, -1.0], dtype)
    a, b, c = (x.ravel() for x in np.meshgrid(values, values, values))
    np.testing.assert_array_equal(bits(fused_multiply_add(a, b, c)), bits(a * b + c))


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_nans_and_zeros_follow_ieee(dtype: str) -> None:
    values = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, np.finfo(dtype).max]
    a, b, c = (x.ravel() for x in np.meshgrid(*[np.array(values, dtype)] * 3))
    found = fused_multiply_add(a, b, c)
    wide = [x.astype(np.longdouble) for x in (a, b, c)]
    with np.errstate(all="ignore"):
        expected = (wide[0] * wide[1] + wide[2]).astype(dtype)
    large = np.abs(np.array([a, b, c])) == np.finfo(dtype).max  # there, longdouble rounds twice
    np.testing.assert_array_equal(
        bits(found)[~large.any(axis=0)], bits(expected)[~large.any(axis=0)]
    )
    top = np.finfo(dtype).max
    ends = [np.array(v, dtype) for v in (top, 2, -np.inf)]
    assert fused_multiply_add(*ends) == -np.inf  # the product alone would overflow to +inf
    assert fused_multiply_add(ends[0], ends[1], np.array(-top, dtype)) == top


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("lanes", "accumulators"), [(1, 1), (4, 1), (1, 2), (8, 4)])
def test_the_order_is_the_one_that_is_told(dtype: str, lanes: int, accumulators: int) -> None:
    rng = np.random.default_rng(1)
    m, n, k = 2, 3, 45
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    c = rng.standard_normal((m, n)).astype(dtype)
    name = "scalar_fma_f32" if dtype == "float32" else "scalar_fma_f64"
    found = emulate(name, a, b, c, order=Order(lanes, accumulators))
    for i in range(m):
        for j in range(n):
            expected = in_order(a[i], b[:, j], c[i, j], lanes, accumulators)
            assert float(found[i, j]) == expected


def in_order(a: Array, b: Array, c: float, lanes: int, accumulators: int) -> float:
    kind = KINDS[a.dtype.name]
    if lanes == accumulators == 1:
        total = float(c)
        for x, y in zip(a.tolist(), b.tolist(), strict=True):
            total = float(fma(x, y, total, kind))
        return total
    held = [[0.0] * lanes for _ in range(accumulators)]
    for k, (x, y) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        u, lane = k // lanes % accumulators, k % lanes
        held[u][lane] = float(fma(x, y, held[u][lane], kind))
    while len(held) > 1:
        half = len(held) // 2
        held = [[add(x, y, kind) for x, y in zip(held[u], held[u + half], strict=True)]
                for u in range(half)]  # fmt: skip
    row = held[0]
    while len(row) > 1:
        half = len(row) // 2
        row = [add(row[i], row[i + half], kind) for i in range(half)]
    return add(float(c), row[0], kind)


def add(x: float, y: float, kind: tuple[int, int, int]) -> float:
    return float(fma(x, 1.0, y, kind))


def test_a_chain_is_not_what_separate_rounding_gives() -> None:
    a = np.array([[1 + 2**-12, 1]], np.float32)
    b = np.array([[1 + 2**-12], [-1 - 2**-11]], np.float32)
    assert float(emulate("avx512_fma_f32", a, b)[0, 0]) == 0.0
    c = np.array([[-1 - 2**-11]], np.float32)
    assert (
        Fraction(float(emulate("avx512_fma_f32", a[:, :1], b[:1], c)[0, 0])) == Fraction(2) ** -24
    )


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="lanes is 3; it must be a power of two"):
        Order(lanes=3)
    with pytest.raises(UsageError, match="order of its own"):
        emulate("mma_f16", np.ones((1, 1)), np.ones((1, 1)), order=Order(4))
    with pytest.raises(DTypeError, match=r"A\[0, 1\] = 0\.1 is no float32 number"):
        emulate("scalar_fma_f32", np.array([[1, 0.1]]), np.ones((2, 1)))
    with pytest.raises(DTypeError, match="B is int64: it must be floating-point"):
        emulate("scalar_fma_f64", np.ones((1, 1)), np.ones((1, 1), int))


def test_a_subnormal_result_is_rounded_once_where_a_narrower_product_would_be_a_tie() -> None:
    ulp = 2.0**-1074
    for one, other, power in ((2**-30, 2**-30, -1046), (2**-30, -(2**-31), -1044)):
        for sign in (1.0, -1.0):
            a, b = sign * np.ldexp(1 + one, -500), np.ldexp(1 + other, power + 500)
            for c in (0.0, ulp, -ulp, 3 * ulp):
                found = float(fused_multiply_add(np.array(a), np.array(b), np.array(c)))
                assert found == float(fma(float(a), float(b), c, KINDS["float64"]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_barely_misses_a_tie_is_no_tie(dtype: str) -> None:
    """``(1 + u) (1 - u)`` is less than 1 by a square, which a product rounded by itself loses."""
    digits = KINDS[dtype][0]
    u = 2.0 ** (1 - digits)
    for sign in (1.0, -1.0):
        for last in range(4):  # an odd and an even neighbor, from both sides
            x, y, z = sign * (1 + u) * u / 2, 1 - u, 1 + last * u
            found = fused_multiply_add(*(np.array(v, dtype) for v in (x, y, z)))
            assert float(found) == float(fma(x, y, z, KINDS[dtype]))
