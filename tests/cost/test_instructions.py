"""Which instruction is chosen for a weight, and each reason why another is not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, ShapeError, UsageError
from minisparse.cost.instruction_selection import Selection
from minisparse.cost.instructions import choose_instruction
from minisparse.formats import find_pattern, from_dense
from minisparse.kernels.instructions import CORES, INSTRUCTIONS, emulate, round_to
from tests.networks import PATTERNS, pruned

GPU = frozenset({"scalar_fma", "mma", "mma_sp"})
SERVER = frozenset({"scalar_fma", "avx2_fma", "avx512_fma", "avx512_vnni"})
LAPTOP = frozenset({"scalar_fma", "avx2_fma"})
ARM = frozenset({"scalar_fma", "neon_fma", "neon_dot"})
MACHINES = {"gpu": GPU, "server": SERVER, "laptop": LAPTOP, "arm": ARM}


def two_of_four(m: int = 64, k: int = 288, dtype: str = "float16") -> Array:
    w = np.random.default_rng(0).uniform(1, 2, (m, k)).astype(dtype)
    w[:, np.arange(k) % 4 > 1] = 0
    return w


def chosen(w: Array, machine: frozenset[str], **asked: str) -> str:
    selection = choose_instruction(w, machine, other=asked.get("other"))
    return selection.instruction.name if selection.instruction else "none"


@pytest.mark.parametrize(
    ("dtype", "other", "expected"),
    [
        ("float32", None, "scalar_fma_f32 avx512_fma_f32 avx2_fma_f32 neon_fma_f32"),
        ("float64", None, "scalar_fma_f64 avx512_fma_f64 avx2_fma_f64 neon_fma_f64"),
        ("float16", None, "mma_sp_f16 avx512_fma_f32 avx2_fma_f32 neon_fma_f32"),
        ("float16", "float32", "scalar_fma_f32 avx512_fma_f32 avx2_fma_f32 neon_fma_f32"),
        ("int8", "uint8", "mma_sp_s8 avx512_dpbusd avx2_maddubs scalar_multiply_add"),
        ("int8", None, "mma_sp_s8 avx512_dpbusd avx2_maddubs neon_sdot"),
        ("int32", None, " ".join(["scalar_multiply_add"] * 4)),
        ("int64", None, "none none none none"),
        ("complex64", None, "none none none none"),
    ],
)
def test_the_table_by_dtype_and_machine(dtype: str, other: str | None, expected: str) -> None:
    w = two_of_four(dtype=dtype)  # ones: no pair of them exceeds 16 bits
    found = [choose_instruction(w, machine, other=other) for machine in MACHINES.values()]
    names = [s.instruction.name if s.instruction else "none" for s in found]
    assert " ".join(names) == expected


def test_bfloat16_goes_to_its_own_tensor_core_instruction() -> None:
    ml_dtypes = pytest.importorskip(
        "ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"'
    )
    w = two_of_four(dtype="float32").astype(ml_dtypes.bfloat16)
    assert [chosen(w, machine) for machine in (GPU, SERVER)] == ["mma_sp_bf16", "avx512_fma_f32"]


def test_a_pattern_that_fits_doubles_the_peak() -> None:
    selection = choose_instruction(two_of_four(), GPU, name="w")
    sparse, dense = selection["mma_sp_f16"], selection["mma_f16"]
    assert sparse.instruction.peak == 2
    assert sparse.steps * 2 == dense.steps == 64 * 288 / 16
    assert selection.chosen is sparse
    assert str(selection).startswith(
        "w, 64x288 float16 by float16: mma_sp_f16: 18,432 multiply-adds"
    )
    assert "mma_f16 would take 2 times as many" in selection.why


def test_three_groups_in_the_way_are_counted_and_the_first_is_named() -> None:
    w = two_of_four(256, 288)
    for row, column in ((17, 42), (90, 7), (200, 287)):
        w[row, column] = 1
        w[row, column - column % 4 + 8 - 288 * (column > 280)] = 0  # so that the row has room
    (miss,) = choose_instruction(w, GPU)["mma_sp_f16"].misses
    assert (miss.kind, miss.first) == ("pattern", (17, 40, 43))
    assert miss.text.startswith(
        "2:4 in all but 3 of 18,432 groups (first: row 17, columns 40-43, which hold 3); "
    )
    assert miss.near is not None
    assert (miss.near.violations, miss.near.groups) == (3, 18432)


def test_an_order_of_columns_that_fits_is_found_and_given() -> None:
    rng = np.random.default_rng(1)
    w = two_of_four()[:, rng.permutation(288)]
    (miss,) = choose_instruction(w, GPU)["mma_sp_f16"].misses
    assert miss.text.endswith("after a permutation of columns it fits")
    assert miss.near is not None
    assert miss.near.permutation is not None
    turned = w[:, list(miss.near.permutation)]
    assert chosen(turned, GPU) == "mma_sp_f16"
    b = round_to(rng.standard_normal((288, 5)), "float16")
    result = emulate("mma_sp_f16", turned, b[list(miss.near.permutation)])
    np.testing.assert_allclose(result, w.astype(float) @ b, rtol=1e-4, atol=1e-3)
    unsearched = choose_instruction(w, GPU, search=0)["mma_sp_f16"]
    assert unsearched.why.endswith("an order that fits was not looked for")


def test_what_no_order_can_mend_is_said_without_a_search() -> None:
    w = two_of_four()
    w[5, :] = 1
    (miss,) = choose_instruction(w, GPU)["mma_sp_f16"].misses
    assert miss.text.endswith("no order of columns can fit: 1 row holds more than 144 nonzeros")
    (dense,) = choose_instruction(np.ones((16, 32), np.float16), GPU)["mma_sp_f16"].misses
    assert dense.text == "dense: 2:4 has 2 zeros in every 4"


def test_float32_is_not_rounded_unasked_and_tf32_has_a_pattern_of_its_own() -> None:
    w = two_of_four(dtype="float32")
    selection = choose_instruction(w, GPU)
    assert selection.instruction is INSTRUCTIONS["scalar_fma_f32"]
    assert [m.kind for m in selection["mma_sp_tf32"].misses] == ["rounding", "pattern"]
    assert "10 bits behind the point, which is not done unasked" in selection["mma_tf32"].why
    asked = choose_instruction(w, GPU, tf32=True)
    assert asked.instruction is INSTRUCTIONS["mma_tf32"]
    assert "factors are rounded to TF32" in asked.why
    assert asked["mma_sp_tf32"].why.startswith("1:2 in all but 4,608 of 9,216 groups")
    w[:, 1::4], w[:, 2::4] = 0, w[:, 1::4]
    assert choose_instruction(w, GPU, tf32=True).instruction is INSTRUCTIONS["mma_sp_tf32"]


def test_padding_is_told_and_paid() -> None:
    w = np.ones((20, 30), np.float16)
    selection = choose_instruction(w, GPU)
    assert selection.chosen is not None
    assert selection.chosen.notes == (
        "M=20 is not a multiple of 16: padded to 32",
        "K=30 is not a multiple of 16: padded to 32",
    )
    assert selection.chosen.products == 32 * 32


def test_the_groups_of_a_convolution_are_padded_each() -> None:
    w = np.ones((6, 9), np.float16)
    together, apart = (choose_instruction(w, GPU, groups=g) for g in (1, 3))
    assert (together["mma_f16"].products, apart["mma_f16"].products) == (256, 3 * 256)
    assert apart["mma_f16"].notes[0] == "M=2 is not a multiple of 16: padded to 16"
    assert apart["scalar_fma_f32"].products == 54
    with pytest.raises(ShapeError, match="weight has 6 rows: 4 groups must have as many each"):
        choose_instruction(w, GPU, groups=4)


def test_pieces_that_are_all_zero_are_skipped_by_size() -> None:
    w = np.zeros((64, 64), np.float16)
    w[:16, :16] = 1
    w[40, 5] = 1
    selection = choose_instruction(w, GPU | SERVER)
    assert selection["scalar_fma_f32"].products == 257
    assert selection["mma_f16"].products == 2 * 256
    q = choose_instruction(w.astype(np.int8), SERVER)
    assert q["avx512_dpbusd"].products == 256 + 4
    sparse = np.zeros((512, 512), np.float16)
    sparse[np.arange(0, 512, 16), np.arange(0, 512, 16)] = 1
    assert chosen(sparse, GPU) == "scalar_fma_f32"  # a tile for each single value


def test_pairs_that_16_bits_may_not_hold_are_counted() -> None:
    w = np.full((4, 9), 64, np.int8)
    assert chosen(w, LAPTOP, other="uint8") == "avx2_maddubs"
    w[2, 4:6] = 65, 64
    (miss,) = choose_instruction(w, LAPTOP, other="uint8")["avx2_maddubs"].misses
    assert (miss.kind, miss.first) == ("saturation", (2, 4, 5))
    assert miss.text.startswith("1 of 20 pairs of weights can exceed the 16 bits")
    assert miss.text.endswith("(first: row 2, columns 4-5: 65 and 64)")


@given(st.integers(0, 2**32 - 1), st.sampled_from(["int8", "uint8"]))
def test_no_activation_is_cut_where_it_is_said_that_none_can_be(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    top = int(rng.choice([64, 65, 127, 128, 129])) - (dtype == "int8")
    w = rng.choice([top, top - 1, 0, 1] + [-top, 1 - top] * (dtype == "int8"), (3, 6)).astype(dtype)
    other = "uint8" if dtype == "int8" else "int8"
    applies = choose_instruction(w, LAPTOP, other=other)["avx2_maddubs"].applies
    ends = np.array(np.meshgrid(*[[np.iinfo(other).min, np.iinfo(other).max]] * 6)).reshape(6, -1)
    b = ends.astype(other)
    exact = w.astype(np.int64) @ b.astype(np.int64)
    assert (emulate("avx2_maddubs", w, b) == exact).all() == applies


def test_sums_that_reach_31_bits_keep_the_saturating_twin_out() -> None:
    w = np.full((2, 66_400), 127, np.int8)
    w[0, 1:] = 0
    verdict = choose_instruction(w, SERVER, other="uint8", search=0)["avx512_dpbusds"]
    assert verdict.misses[0].kind == "saturation"
    assert "row 1 can reach 2,150,364,000, and sums are cut at 2**31, not wrapped" in verdict.why
    assert choose_instruction(w[:1], SERVER, other="uint8")["avx512_dpbusds"].applies


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_any_weight_in_any_format_gets_the_same_verdicts(
    pattern: str, machine: frozenset[str]
) -> None:
    w = pruned(np.random.default_rng(2), 24, 20, pattern).astype(np.float16)
    expected = choose_instruction(w, machine)
    for operand in (from_dense(w, "csr"), from_dense(w, "bsr", block=(4, 4))):
        assert choose_instruction(operand, machine) == expected
    assert choose_instruction(w, machine, pattern=find_pattern(w)) == expected
    assert (expected.instruction is None) == (pattern == "all")
    for verdict in expected.verdicts:
        assert verdict.applies == (not verdict.misses)
        assert not verdict.applies or verdict.products >= expected.nonzeros
        assert verdict.why


def test_it_is_told_as_text_and_as_a_card() -> None:
    selection = choose_instruction(two_of_four(), GPU, name="layer1 <w>")
    text = str(selection)
    assert max(map(len, text.splitlines())) <= 80
    assert "  not on this machine: avx2_fma, avx512_fma, neon_fma, avx512_vnni, neon_dot" in text
    assert "&lt;w&gt;" in selection._repr_html_()
    assert [v.instruction.name for v in selection.narrow] == []
    nothing = choose_instruction(np.zeros((4, 4), np.float32), GPU)
    assert nothing.instruction is None
    assert nothing.summary() == "none: every value is zero: there is nothing to multiply"
    assert isinstance(dataclasses.replace(nothing, weight="v"), Selection)


def test_every_row_of_the_table_says_what_it_is() -> None:
    for name, i in INSTRUCTIONS.items():
        assert i.name == name
        assert i.source
        assert i.layout
        assert i.mnemonic
        assert i.peak == (2 if i.needs == "mma_sp" else 1)
        m, n, k = i.shape
        if not i.needs.startswith("mma") and name != "avx2_maddubs":
            assert i.rate == m * n * k  # as many as one instruction does
        if i.group:
            dense = INSTRUCTIONS[name.replace("_sp", "")]
            assert (i.rate, k) == (2 * dense.rate, 2 * dense.shape[2])


def test_what_cannot_be_asked_is_refused_in_words() -> None:
    with pytest.raises(ShapeError, match=r"weight has shape \(3,\): it must be a matrix"):
        choose_instruction(np.ones(3), GPU)
    with pytest.raises(DTypeError, match="'float17' is not a dtype"):
        choose_instruction(np.ones((4, 4)), GPU, other="float17")
    with pytest.raises(UsageError, match="no instruction 'fma'; instructions: scalar_fma_f32"):
        choose_instruction(np.ones((4, 4)), GPU)["fma"]
    only = choose_instruction(two_of_four(), "mma_sp")  # one set, not the letters of its name
    assert [v.instruction.name for v in only.verdicts if v.applies] == ["mma_sp_f16"]


def test_dtypes_that_do_not_mix_are_refused() -> None:
    ml_dtypes = pytest.importorskip(
        "ml_dtypes", reason='bfloat16 needs pip install "minisparse[io]"'
    )
    with pytest.raises(DTypeError, match="bfloat16 and int64 do not mix"):
        choose_instruction(np.ones((4, 4), ml_dtypes.bfloat16), GPU, other="int64")


def test_the_page_has_every_instruction_and_generation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "instructions.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name, i in INSTRUCTIONS.items():
        row = next(row for row in rows if f"`{name}`" in row)
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert "x".join(map(str, i.shape)) in cells[1]
        assert f"{i.rate:.3g}" in cells[4].split(", ")
        assert (cells[3] == "{}:{}".format(*i.group)) if i.group else ":" not in cells[3]
    for name, core in CORES.items():
        (row,) = [row for row in rows if row.startswith(f"| `{name}`")]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        wide = f"/ {core.terms('tf32')}" if "tf32" in core.formats else "/ -"
        assert cells[1].startswith(f"{core.terms('float16')} {wide}")
        assert cells[2] == str(core.extra)
