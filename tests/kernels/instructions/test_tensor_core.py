"""Tensor cores: against fractions element by element, and against what the papers measured.

No such device is asked: these tests compare with what was published about it.
"""

from fractions import Fraction

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, FormatError, UsageError
from minisparse.formats import NM, from_dense
from minisparse.kernels.instructions import CORES, emulate, error_bound, round_to
from minisparse.kernels.instructions.sparse import compress, metadata
from tests.kernels.instructions.references import KINDS, bits, tensor_core

BLOCKS = {  # of float16, bfloat16, tf32; and bits beyond float32's: from the papers' tables
    "volta": ({"float16": 4}, 0),
    "turing": ({"float16": 8}, 1),
    "ampere": ({"float16": 8, "bfloat16": 8, "tf32": 4}, 1),
    "ada": ({"float16": 8, "bfloat16": 8, "tf32": 4}, 1),
    "hopper": ({"float16": 16, "bfloat16": 16, "tf32": 8}, 2),
}
PAIRS = [(core, format) for core, (terms, _) in BLOCKS.items() for format in terms]
NAMES = {"float16": "mma_f16", "bfloat16": "mma_bf16", "tf32": "mma_tf32"}
RANGES = {"float16": (-26, 14), "bfloat16": (-134, 62), "tf32": (-138, 62)}


def drawn(rng: np.random.Generator, shape: tuple[int, int], format: str, kind: str) -> Array:
    """Return numbers of a format: of one size, of many, subnormal, or such that cancel."""
    low, high = RANGES[format]
    power = {
        "alike": np.zeros(shape, int),
        "spread": rng.integers(low, high, shape),
        "near": rng.integers(-6, 7, shape),
        "subnormal": np.full(shape, low + 6),
        "large": np.full(shape, high),
    }[kind]
    return round_to(np.ldexp(rng.standard_normal(shape), power), format)


@pytest.mark.parametrize(("core", "format"), PAIRS)
@pytest.mark.parametrize("kind", ["alike", "spread", "near", "subnormal", "large"])
def test_each_element_is_aligned_cut_and_summed(core: str, format: str, kind: str) -> None:
    rng = np.random.default_rng([*core.encode(), *kind.encode()])
    m, k, n = 3, 37, 3
    a, b = drawn(rng, (m, k), format, kind), drawn(rng, (k, n), format, kind)
    c = np.ldexp(rng.standard_normal((m, n)), rng.integers(-140, 20, (m, n))).astype(np.float32)
    c[0] = 0
    if kind == "subnormal" and format != "float16":
        b = round_to(np.ldexp(b, 116), format)  # results are subnormal then
    found = emulate(NAMES[format], a, b, c, core=core)
    terms, extra = BLOCKS[core]
    expected = [
        [
            float(tensor_core(a[i].tolist(), b[:, j].tolist(), float(c[i, j]),
                              KINDS[format], terms[format], extra))
            for j in range(n)
        ]
        for i in range(m)
    ]  # fmt: skip
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("core", "format"), PAIRS)
@pytest.mark.parametrize("kind", ["alike", "spread", "subnormal"])
def test_results_are_within_the_bound(core: str, format: str, kind: str) -> None:
    rng = np.random.default_rng(5)
    a, b = drawn(rng, (4, 200), format, kind), drawn(rng, (200, 4), format, kind)
    a[::2], b[:, ::2] = np.abs(a[::2]), np.abs(b[:, ::2])  # where every cut goes the same way
    c = (rng.standard_normal((4, 4)) * (kind == "alike")).astype(np.float32)
    assert shares(a, b, c, format, core).max() <= 1


@pytest.mark.parametrize(("core", "format"), PAIRS)
def test_the_bound_is_nearly_reached(core: str, format: str) -> None:
    """Products that barely miss the last place that is kept are lost, all of them."""
    largest = 2 - 2.0 ** (1 - KINDS[format][0])  # below 2
    a = np.full((1, 64), largest * 2.0**-13)
    b = np.full((64, 1), 2.0 ** (-11 - BLOCKS[core][1]))
    share = shares(a, b, np.ones((1, 1), np.float32), format, core)
    assert 0.5 < share.max() <= 1


def test_a_subnormal_factor_pushes_the_others_out() -> None:
    """It is shifted as if it were the smallest normal number, far above what it is worth."""
    rng = np.random.default_rng(6)
    a = round_to(rng.uniform(1, 2, (1, 64)) * 2.0**-14, "float16")
    b = round_to(rng.uniform(1, 2, (64, 1)) * 2.0**-14, "float16")
    c = np.zeros((1, 1), np.float32)
    usual = shares(a, b, c, "float16", "ampere") * error_bound(a, b, c, "float16", "ampere")
    a[0, ::8], b[::8] = 2.0**-24, 1
    share = shares(a, b, c, "float16", "ampere")
    assert share.max() <= 1
    assert (share * error_bound(a, b, c, "float16", "ampere") > 100 * usual).all()


def shares(a: Array, b: Array, c: Array, format: str, core: str) -> Array:
    """Return the exact error over the bound."""
    found = emulate(NAMES[format], a, b, c, core=core)
    fractions = np.vectorize(Fraction, otypes=[object])
    a_exact, b_exact, c_exact, d = (fractions(np.float64(x)) for x in (a, b, c, found))
    error = abs(d - (a_exact @ b_exact + c_exact))
    return np.asarray((error / fractions(error_bound(a, b, c, format, core))).astype(float))


def test_what_was_measured_on_the_devices() -> None:
    """Fasi et al. 2021, sections 4.2 and 4.3; extra bits as their table 2 and both later papers."""
    one_and_small = np.array([[1.0, 2.0**-12, 2.0**-12, 2.0**-12]])
    found = {core: float(emulate("mma_f16", one_and_small, one_and_small.T, core=core)[0, 0])
             for core in CORES}  # fmt: skip
    assert found == {"volta": 1.0} | dict.fromkeys(
        ["turing", "ampere", "ada", "hopper"], 1 + 2**-23
    )
    # 2**-25 is kept by two extra bits alone, and four of them make a unit in the last place.
    smaller = np.array([[1.0] + [2.0**-12] * 7]) * [[1.0] + [0.5] * 7]
    right = np.array([[1.0] + [2.0**-12] * 7]).T
    bits_of = {core: float(emulate("mma_f16", smaller, right, core=core)[0, 0]) for core in CORES}
    assert bits_of == dict.fromkeys(["volta", "turing", "ampere", "ada"], 1.0) | {
        "hopper": 1 + 2**-23
    }
    # Rounded toward zero on both sides.
    three = np.array([[1.0, 2.0**-12, 2.0**-12, 2.0**-13]])
    for sign in (1.0, -1.0):
        result = float(emulate("mma_f16", sign * three, np.abs(three).T, core="hopper")[0, 0])
        assert result == sign * 1.0000001192092896
    # Subnormal inputs count, and subnormal results come out.
    tiny = np.array([[2.0**-24]])
    assert emulate("mma_f16", tiny, tiny)[0, 0] == 2.0**-48
    assert emulate("mma_tf32", np.array([[2.0**-100]]), np.array([[2.0**-40]]))[0, 0] == 2.0**-140


def test_not_monotonic() -> None:
    """Fasi et al. 2021, section 4.4: a larger addend can give a smaller sum."""
    a = np.array([[2.0**-12, 2.0**-12, 2.0**-12, 2.0**-12]])
    just_below, one = (np.array([[x]], np.float32) for x in (1 - 2.0**-24, 1.0))
    low, high = (
        float(emulate("mma_f16", a, a.T, c, core="volta")[0, 0]) for c in (just_below, one)
    )
    assert just_below[0, 0] < one[0, 0]
    assert low > high == 1.0


def test_infinities_and_nans_and_overflow() -> None:
    inf, one = np.array([[np.inf, 0.0]]), np.ones((2, 1))
    assert emulate("mma_f16", inf, one)[0, 0] == np.inf
    nan = emulate("mma_f16", inf, np.zeros((2, 1)))
    assert bits(nan.view(np.int32))[0, 0] == 0x7FFFFFFF
    assert np.isnan(emulate("mma_f16", inf, one, np.array([[-np.inf]], np.float32)))[0, 0]
    for start, expected in ((np.inf, 0x7F800000), (-np.inf, -0x800000), (np.nan, 0x7FFFFFFF)):
        c = np.full((1, 1), start, np.float32)  # from C alone
        found = emulate("mma_f16", np.ones((1, 40)), np.ones((40, 1)), c)
        assert found.view(np.int32)[0, 0] == expected
    large = np.array([[2.0**120, -(2.0**120)]])
    assert emulate("mma_bf16", large, np.full((2, 1), 2.0**100))[0, 0] == 0  # cancels in between
    assert emulate("mma_bf16", large[:, :1], np.full((1, 1), 2.0**100))[0, 0] == np.inf


def test_a_tile_more_changes_no_bit() -> None:
    rng = np.random.default_rng(7)
    a, b = (round_to(rng.standard_normal(shape), "float16") for shape in ((300, 40), (40, 300)))
    whole = emulate("mma_f16", a, b, core="hopper")
    for rows, columns in ((slice(0, 1), slice(5, 6)), (slice(200, 300), slice(0, 300))):
        part = emulate("mma_f16", a[rows], b[:, columns], core="hopper")
        np.testing.assert_array_equal(bits(part), bits(whole[rows, columns]))


@pytest.mark.parametrize("format", ["float16", "bfloat16", "tf32"])
def test_a_compressed_weight_is_summed_as_a_dense_one_with_its_rows_of_b(format: str) -> None:
    n, m = (1, 2) if format == "tf32" else (2, 4)
    rng = np.random.default_rng(8)
    dense = drawn(rng, (6, 44), format, "near") * (np.arange(44) % m < n)
    dense = dense[
        :, rng.permutation(44).reshape(-1, m).argsort(axis=1).ravel() + np.arange(44) // m * m
    ]
    b = drawn(rng, (44, 5), format, "near")
    found = emulate(f"mma_sp_{NAMES[format][4:]}", dense, b)
    values, columns = compress(dense, n, m)
    for i in range(6):
        row = emulate(NAMES[format], values[i : i + 1], b[columns[i]])
        np.testing.assert_array_equal(bits(found[i]), bits(row[0]))
    assert (found != emulate(NAMES[format], dense, b)).any()  # other blocks, other cuts


def test_metadata_and_values_give_the_matrix_back() -> None:
    rng = np.random.default_rng(9)
    dense = rng.standard_normal((5, 10)) * (rng.random((5, 10)) < 0.3)
    dense[:, 2::4] = dense[:, 3::4] = 0
    nm = from_dense(dense, "nm", n=2, m=4)
    assert isinstance(nm, NM)
    nibbles = metadata(nm.positions, 2, 4)
    first, second = nibbles & 3, nibbles >> 2
    assert (first < second).all()
    assert nibbles.max() < 16
    values, columns = compress(nm, 2, 4)
    back = np.zeros((5, 12))
    np.put_along_axis(back, columns, values, axis=1)
    np.testing.assert_array_equal(back[:, :10], dense)
    np.testing.assert_array_equal(columns[:, 0::2] % 4, first)
    with pytest.raises(UsageError, match="not for 4:8"):
        metadata(nm.positions, 4, 8)
    with pytest.raises(FormatError, match="A is 2:4: this instruction takes 1:2"):
        compress(nm, 1, 2)


def test_what_a_generation_or_a_format_cannot_do_is_refused() -> None:
    with pytest.raises(UsageError, match="volta tensor cores do not multiply tf32, but float16"):
        emulate("mma_tf32", np.ones((1, 1)), np.ones((1, 1)), core="volta")
    with pytest.raises(UsageError, match="no tensor core 'pascal'; generations: volta"):
        emulate("mma_f16", np.ones((1, 1)), np.ones((1, 1)), core="pascal")
    with pytest.raises(
        DTypeError, match=r'0\.1 is no tf32 number: round first, with round_to\(x, "tf32'
    ):
        emulate("mma_tf32", np.full((1, 1), 0.1), np.ones((1, 1)))
