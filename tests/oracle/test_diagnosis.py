"""Guesses at the kind of bug: right where there is one, and none where nothing speaks for one."""

import json
from typing import Any

import pytest

from minisparse.oracle import check
from tests.oracle.mutants.score import report_of
from tests.oracle.right_kernels import loops

SAYS = {
    "reduceat_after_empty_rows": ("spmm", "a reduceat-style error"),
    "last_duplicate_wins": ("S2", "duplicates: the last one wins"),
    "needs_sorted_indices": ("S3", "assumes sorted indices"),
    "flat_index_overflows": ("S12", "integer overflow in the dtype of indices"),
    "skips_explicit_zeros": ("S1", "explicit zeros are dropped"),
    "computes_with_implicit_zeros": ("S1", "implicit zeros are computed with"),
    "accumulates_in_float16": ("S8", "accumulates in float16"),
    "accumulates_in_float32": ("S8", "accumulates in float32"),
    "KeepsStaleValues": ("S4", "reads stale data when the same arrays come again"),
    "KeepsStaleObject": ("S4", "reads stale data when the same array changes"),
    "sorts_in_place": ("S5", "sorts its input"),
    "ReturnsItsBuffer": ("S5", "returns the same buffer again"),
    "takes_dtype_of_a": ("S7", "dtype of the first operand"),
    "ignores_fortran_order": ("spmm", "reads Fortran-ordered b as if it were C-ordered"),
    "transposes_square": ("spmm", "square matrices are read transposed"),
    "drops_remainder_of_columns": ("spmm", "the last partial tile of 32 columns"),
    "fails_on_nothing_stored": ("S16", "nothing stored"),
    "flushes_subnormals": ("S10", "subnormal"),
    "loses_the_rest_of_a_row_beyond_fours": ("spmm", "the last partial tile of 4"),
    "conjugates": ("spmm", "conjugated"),
    "tells_duplicates_only_side_by_side": ("S2", "only where they stand side by side"),
    "ignores_a_repeated_entry": ("S2", "with the same value counts once"),
    "adds_by_fancy_index": ("S3", "overwrite each other"),
    "transposes_blocks": ("spmm", "blocks are read transposed"),
    "skips_padding": ("S1", "padding"),
    "counts_columns_in_bytes": ("spmm", "an overflow of 8 bits"),
    "relu_hides_nan": ("S11", "NaN is hidden by max"),
    "bias_after_relu": ("spmm_bias_relu", "added after the relu"),
    "drops_cells_that_are_not_above_zero_in_size": ("S11", "NaN is dropped with the zeros"),
    "multiplies_dense_matrices": ("S1", "implicit zeros"),
    "loses_depth_beyond_fours": ("sddmm", "tile of 4 of the inner dimension"),
    "without_the_largest": ("softmax", "exp overflows"),
    "nan_gets_no_weight": ("S11", "NaN is hidden by max"),
    "first_wins": ("S2", "duplicates: the first one wins"),
    "keeps_duplicates": ("S2", "duplicates are not summed"),
    "drops_what_cancels": ("S19", "cancel"),
    "pointers_end_with_the_last_entry": ("convert", "the pointers end"),
    "looks_at_real_parts": ("convert", "real parts"),
}
SILENT = ("CachesBySizes", "adds_an_epsilon", "returns_counts_for_pointers", "goes_along_columns")


@pytest.mark.parametrize("name", SAYS)
def test_the_kind_of_bug_is_guessed(name: str) -> None:
    report = report_of(name)
    rule_id, words = SAYS[name]
    assert words in report.failures[0].guess
    assert report.failures[0].rule_id == rule_id
    lines = str(report).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert any("probably: " in line for line in lines)


@pytest.mark.parametrize("name", SILENT)
def test_no_guess_without_evidence(name: str) -> None:
    assert report_of(name).failures[0].guess == ""


@pytest.mark.parametrize(
    ("refused", "rule_id"), [(("int64", "int64"), "S12"), (("int16", "uint8"), "spmm")]
)
def test_widths_of_a_matrix_are_a_rule_and_other_integers_are_the_calls(
    refused: tuple[str, str], rule_id: str
) -> None:
    def spmm(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        if (indptr.dtype, indices.dtype) == refused:
            raise TypeError("not supported")
        return loops(indptr, indices, data, shape, b)

    report = check(spmm, "spmm_csr", examples=200)
    (found,) = report.failures
    assert found.rule_id == rule_id
    told = f"does not take indices of {' and '.join(refused)}; any integers may come"
    assert any(line.endswith(f"probably: {told}") for line in str(report).splitlines())


def test_a_choice_that_another_profile_allows_is_named() -> None:
    report = report_of("computes_with_implicit_zeros")
    assert any("ieee" in words for words in report.failures[0].allowed_by)
    assert "profile ieee" in str(report)


def test_a_report_is_json() -> None:
    def nothing(*arguments: Any) -> Any:
        raise ValueError(f"{len(arguments)} arguments")

    report = check(nothing, "spmm_coo", examples=20)
    found = json.loads(report.to_json())
    assert found["passed"] is False
    assert found["failures"][0]["rule"] == "exception ValueError"
    assert found["failures"][0]["inputs"]["data"]["dtype"] == "float32"
    assert found["first_failure"] == 1
