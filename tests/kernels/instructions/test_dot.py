"""Dot products of bytes: against whole numbers of any size, at the edges of 16 and 32 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.errors import DTypeError, FormatError, ShapeError, UsageError
from minisparse.formats import from_dense
from minisparse.kernels.instructions import INSTRUCTIONS, emulate
from tests.kernels.instructions.references import dot_of_bytes

UNSIGNED = ("avx512_dpbusd", "avx512_dpbusds", "avx2_maddubs")


@given(
    st.sampled_from([*UNSIGNED, "neon_sdot", "mma_s8", "scalar_multiply_add"]),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_every_element_is_what_its_manual_says(name: str, k: int, seed: int, edge: bool) -> None:
    rng = np.random.default_rng(seed)
    left = "int8" if name not in UNSIGNED else rng.choice(["int8", "uint8"])
    right = "uint8" if left == "int8" and name in UNSIGNED else "int8"

    def numbers(
        dtype: str, shape: tuple[int, int]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        ends = np.iinfo(dtype)
        chosen = rng.choice([ends.min, ends.max, 0, 1], shape) if edge else None
        drawn = rng.integers(ends.min, ends.max, shape, endpoint=True)
        return (drawn if chosen is None else chosen).astype(dtype)

    a, b = numbers(left, (2, k)), numbers(right, (k, 3))
    c = rng.integers(-(2**31), 2**31, (2, 3)).astype(np.int32)
    c[0] = rng.choice([-(2**31), 2**31 - 1, 0], 3)
    found = emulate(name, a, b, c)
    assert found.dtype == np.int32
    for i in range(2):
        for j in range(3):
            expected = dot_of_bytes(
                a[i].tolist(), b[:, j].tolist(), int(c[i, j]),
                saturate=name == "avx512_dpbusds", words=name == "avx2_maddubs",
            )  # fmt: skip
            assert found[i, j] == expected


def test_saturation_depends_on_the_order_and_wrapping_does_not() -> None:
    a = np.array([[255] * 4 + [1] * 4], np.uint8)
    b = np.array([[127]] * 4 + [[-128]] * 4, np.int8)
    c = np.array([[2**31 - 1]], np.int32)
    up_then_down = emulate("avx512_dpbusds", a, b, c)[0, 0]
    turned = emulate("avx512_dpbusds", a[:, ::-1], b[::-1], c)[0, 0]
    assert (up_then_down, turned) == (2**31 - 1 - 512, 2**31 - 1)
    wraps = [emulate("avx512_dpbusd", *pair, c)[0, 0] for pair in ((a, b), (a[:, ::-1], b[::-1]))]
    assert wraps[0] == wraps[1] == (2**31 - 1 + 4 * 255 * 127 - 512 + 2**31) % 2**32 - 2**31


def test_two_large_weights_lose_half_of_their_sum_in_words() -> None:
    a = np.array([[255, 255, 0, 0]], np.uint8)
    b = np.array([[127, 127, 0, 0]], np.int8).T
    assert emulate("avx512_dpbusd", a, b)[0, 0] == 64770
    assert emulate("avx2_maddubs", a, b)[0, 0] == 32767
    within = np.array([[64, 64, -64, -64]], np.int8).T  # 255 * 128 fits
    a[:] = 255
    np.testing.assert_array_equal(
        emulate("avx2_maddubs", a, within), emulate("avx512_dpbusd", a, within)
    )


def test_signed_bytes_reach_vpdpbusd_by_a_shift_that_is_taken_off_again() -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.integers(-128, 128, shape).astype(np.int8) for shape in ((5, 30), (30, 7)))
    c = rng.integers(-(2**31), 2**31, (5, 7)).astype(np.int32)
    np.testing.assert_array_equal(emulate("avx512_dpbusd", a, b, c), emulate("neon_sdot", a, b, c))
    with pytest.raises(DTypeError, match="A is int8 and B int8: it multiplies uint8 by int8"):
        emulate("avx512_dpbusds", a, b, c)  # what is cut on the way would not be the same


def test_a_compressed_weight_gives_the_dense_result() -> None:
    rng = np.random.default_rng(3)
    a = rng.integers(-128, 128, (4, 18)).astype(np.int8) * (np.arange(18) % 4 < 2).astype(np.int8)
    b = rng.integers(-128, 128, (18, 5)).astype(np.int8)
    for operand in (a, from_dense(a, "nm", n=2, m=4), from_dense(a, "csr")):
        np.testing.assert_array_equal(emulate("mma_sp_s8", operand, b), emulate("mma_s8", a, b))
    a[2, 2] = 1
    a[2, :2] = 1
    with pytest.raises(FormatError, match=r"row 2, group 0 \(columns 0 to 3\) holds 3 nonzeros"):
        emulate("mma_sp_s8", a, b)


def test_wider_integers_and_bool_wrap_in_scalar_code() -> None:
    a, b = np.array([[2**30, 3]], np.int32), np.array([[4], [5]], np.int32)
    assert emulate("scalar_multiply_add", a, b)[0, 0] == 15
    ones = np.ones((1, 3), bool)
    assert emulate("scalar_multiply_add", ones, ones.T)[0, 0] == 3


@pytest.mark.parametrize("name", sorted(INSTRUCTIONS))
def test_empty_operands_give_c(name: str) -> None:
    i = INSTRUCTIONS[name]
    kinds = ["float32" if k in ("tf32", "bfloat16") else k for k in i.operands[0]]
    c = np.full((2, 3), 7, i.accumulator)
    found = emulate(name, np.zeros((2, 0), kinds[0]), np.zeros((0, 3), kinds[1]), c)
    np.testing.assert_array_equal(found, c)
    assert emulate(name, np.zeros((0, 4), kinds[0]), np.zeros((4, 0), kinds[1])).shape == (0, 0)


def test_operands_that_do_not_fit_are_named() -> None:
    a, b = np.ones((2, 3), np.int8), np.ones((4, 2), np.int8)
    with pytest.raises(ShapeError, match="neon_sdot: A is 2x3 and B 4x2"):
        emulate("neon_sdot", a, b)
    with pytest.raises(ShapeError, match=r"C is 2: it must be \(2, 3\)"):
        emulate("neon_sdot", b.T, np.ones((4, 3), np.int8), np.zeros(2, np.int32))
    with pytest.raises(DTypeError, match=r'C is float64, and sums are int32: use c.astype\("int32'):
        emulate("neon_sdot", b.T, b, np.zeros((2, 2)))
    with pytest.raises(UsageError, match="no instruction 'mul'; instructions: scalar_fma_f32"):
        emulate("mul", a, b)
