"""Each choice of a profile is honored: what follows it passes by it, and by the default fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import UsageError
from minisparse.core.triplets import Triplets
from minisparse.oracle import check
from minisparse.oracle.contracts import find_contract
from minisparse.oracle.narrowed import narrowed
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import AXES, DEFAULT, PROFILES, Profile, find_profile
from minisparse.oracle.sampled import exact_sddmm
from minisparse.oracle.verdict import FAIL, PASS

from .right_kernels import loops, rows_of
from .wrong_kernels import (
    accumulates_in_float16,
    computes_with_implicit_zeros,
    flushes_subnormals,
    last_duplicate_wins,
    skips_explicit_zeros,
    takes_dtype_of_a,
)

EXAMPLES = 160


def drops_cancelled(*arguments: Any) -> Any:
    return _product(arguments, keep=False)


def keeps_cancelled(*arguments: Any) -> Any:
    return _product(arguments, keep=True)


def _product(arguments: Any, *, keep: bool) -> Any:
    """Multiply two CSR matrices row by row, in dictionaries."""
    ap, ai, ax, (m, _), bp, bi, bx, _ = arguments
    dtype = np.result_type(ax, bx)
    wide = np.dtype("float32") if dtype.itemsize == 2 and dtype.kind in "fV" else dtype
    indptr, indices, data = [0], [], []
    for i in range(m):
        row: dict[int, Any] = {}
        for p in range(int(ap[i]), int(ap[i + 1])):
            k = int(ai[p])
            for q in range(int(bp[k]), int(bp[k + 1])):
                term = ax[p].astype(wide) * bx[q].astype(wide)
                row[int(bi[q])] = row.get(int(bi[q]), wide.type(0)) + term
        found = {n: v.astype(dtype) for n, v in row.items()}
        found = {n: v for n, v in found.items() if keep or v != 0}
        indices += list(found)
        data += list(found.values())
        indptr.append(len(indices))
    return np.array(indptr), np.array(indices, int), np.array(data, dtype)


def masked_softmax(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    y = np.zeros_like(data)
    for i in range(shape[0]):
        row = slice(int(indptr[i]), int(indptr[i + 1]))
        x = data[row].astype("float64")
        if len(x) and not (x == -np.inf).all():
            e = np.exp(x - x.max())
            y[row] = e / e.sum()
    return y


def saturates(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(data, b)
    if dtype.kind not in "iu":
        return loops(indptr, indices, data, shape, b)
    c = np.zeros((shape[0], b.shape[1]), object)
    for p, m in enumerate(rows_of(indptr)):
        c[m] += int(data[p]) * b[indices[p]].astype(object)
    return np.clip(c, int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)).astype(dtype)


def forgets_signs(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Convert to CSR, adding every value to a zero."""
    cells, number = np.unique(row.astype(int) * max(1, shape[1]) + col, return_inverse=True)
    found = np.zeros(len(cells), data.dtype)
    with np.errstate(all="ignore"):
        np.add.at(found, number.reshape(-1), data)
    rows, indices = np.divmod(cells, max(1, shape[1]))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return indptr, indices, found


def wants_int32(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    assert indptr.dtype == indices.dtype == np.int32
    return loops(indptr, indices, data, shape, b)


def stores_no_zeros(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    keep = data != 0
    return rows_of(indptr)[keep], indices[keep], data[keep]


def refuses_duplicates(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    cells = rows_of(indptr) * max(1, shape[1]) + indices
    assert len(np.unique(cells)) == len(cells)
    return loops(indptr, indices, data, shape, b)


def refuses_unsorted(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    cells = rows_of(indptr) * max(1, shape[1]) + indices
    assert (cells[1:] >= cells[:-1]).all()
    return loops(indptr, indices, data, shape, b)


def stores_no_subnormals(dense: Any) -> Any:
    stored = dense != 0
    if dense.dtype.name in ("float32", "float64"):
        with np.errstate(all="ignore"):
            stored = ~(np.abs(dense) < np.finfo(dense.dtype).smallest_normal)
    row, col = np.nonzero(stored)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=dense.shape[0]))])
    return indptr, col, dense[row, col]


CHOICES: list[tuple[str, Callable[..., Any], str, Any]] = [
    ("spmm_csr", computes_with_implicit_zeros, "implicit_zeros", "compute"),
    ("spmm_csr", skips_explicit_zeros, "explicit_zeros", "drop"),
    ("csr_to_coo", stores_no_zeros, "explicit_zeros", "drop"),
    ("spmm_csr", last_duplicate_wins, "duplicates", "last"),
    ("spmm_csr", refuses_duplicates, "duplicates", "reject"),
    ("spmm_csr", refuses_unsorted, "unsorted", "reject"),
    ("spmm_csr", wants_int32, "index_dtypes", ("int32",)),
    ("spmm_csr", accumulates_in_float16, "accumulator", "own"),
    ("spmm_csr", saturates, "integer_overflow", "saturate"),
    ("spmm_csr", takes_dtype_of_a, "result_dtype", "first"),
    ("spmm_csr", flushes_subnormals, "flush_to_zero", True),
    ("dense_to_csr", stores_no_subnormals, "flush_to_zero", True),
]
"""Op, implementation, and the axis and value by which alone it is right."""
STRICTER: list[tuple[str, Callable[..., Any], str, Any]] = [
    ("spgemm_csr", drops_cancelled, "cancelled", "keep"),
    ("spgemm_csr", keeps_cancelled, "cancelled", "drop"),
    ("coo_to_csr", forgets_signs, "signed_zero", "kept"),
]
"""Op, implementation that is right by default, and what it is wrong by."""


def chosen(axis: str, value: Any) -> Profile:
    changed: dict[str, Any] = {axis: value, "name": f"{axis} = {value}"}
    return replace(DEFAULT, **changed)


@pytest.mark.parametrize(("op", "fn", "axis", "value"), CHOICES)
def test_what_follows_a_choice_passes_by_it_alone(
    op: str, fn: Callable[..., Any], axis: str, value: Any
) -> None:
    by_it = check(fn, op, EXAMPLES, profile=chosen(axis, value))
    assert by_it.passed, str(by_it)
    assert not check(fn, op, EXAMPLES).passed


@pytest.mark.parametrize(("op", "fn", "axis", "value"), STRICTER)
def test_a_stricter_choice_is_demanded(
    op: str, fn: Callable[..., Any], axis: str, value: Any
) -> None:
    by_default = check(fn, op, 80)
    assert by_default.passed, str(by_default)
    assert not check(fn, op, 80, profile=chosen(axis, value)).passed


def test_a_row_without_weight() -> None:
    a = Triplets(
        np.array([0, 0, 2]), np.array([0, 1, 1]), np.array([-np.inf, -np.inf, 1.0]), (3, 2)
    )
    problem = Problem("masked", a, np.ones((2, 1)), np.ones(3))
    contract = find_contract("softmax_csr")
    arguments = contract.arguments(problem)
    got = masked_softmax(*arguments.values())
    verdicts = {
        choice: contract.expect(arguments, chosen("empty_softmax_row", choice)).judge(got).verdict
        for choice in AXES["empty_softmax_row"]
    }
    assert verdicts == {"empty": FAIL, "zero": PASS, "nan": FAIL}


def test_every_axis_is_tried_here() -> None:
    tried = {axis for _, _, axis, _ in (*CHOICES, *STRICTER)} | {"empty_softmax_row"}
    assert tried == {*AXES, "index_dtypes"}


def test_sums_saturate_before_and_after_the_bias() -> None:
    a = Triplets(np.zeros(2, int), np.arange(2), np.array([100, 100], "int8"), (1, 2))
    problem = Problem("", a, np.array([[2], [2]], "int8"), np.array([-100], "int8"))
    contract = find_contract("spmm_bias_relu_csr")
    truth = contract.expect(contract.arguments(problem), chosen("integer_overflow", "saturate"))
    assert truth.rounded().tolist() == [[27]]


def test_sddmm_drops_stored_zeros_beside_nan() -> None:
    mask = Triplets(np.array([0]), np.array([0]), np.array([0.0]), (1, 1))
    problem = Problem("", mask, np.array([[np.nan]]), np.ones(1))
    contract = find_contract("sddmm_csr")
    arguments = contract.arguments(problem)
    assert np.isnan(exact_sddmm(mask, arguments["x"], arguments["y"]).hi[0])
    assert contract.expect(arguments, chosen("explicit_zeros", "drop")).rounded() == [0]


@pytest.mark.parametrize("profile", ["torch", "onnx", "cusparse", "graphblas"])
@pytest.mark.parametrize("op", ["spmm_csr", "spmm_bsr", "spmm_csc", "spgemm_csr"])
def test_rejected_inputs_are_not_given(op: str, profile: str) -> None:
    by = PROFILES[profile]

    def look(*arguments: Any) -> None:
        kinds = [x.dtype for x in arguments if isinstance(x, np.ndarray)]
        assert kinds[0] == kinds[1]
        assert kinds[0] in by.index_dtypes
        for at in (0, 4) if op == "spgemm_csr" else (0,):
            indptr, indices = arguments[at : at + 2]
            for line in range(len(indptr) - 1):
                some = indices[int(indptr[line]) : int(indptr[line + 1])].astype(int)
                assert len(np.unique(some)) == len(some)
                assert by.unsorted == "accept" or (np.diff(some) > 0).all()
        raise NotImplementedError

    report = check(look, op, 40, profile=profile)
    assert {failure.rule for failure in report.failures} == {"exception NotImplementedError"}


def test_presets_have_sources() -> None:
    assert all(profile.source for profile in PROFILES.values())
    assert list(PROFILES) == "default ieee scipy torch cusparse onnx graphblas".split()


def test_nothing_is_narrowed_by_default() -> None:
    contract = find_contract("spmm_csr")
    assert narrowed(contract, DEFAULT) is contract


def test_a_file_after_another_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('like = "torch"\nduplicates = "last"\nindex_dtypes = ["int32"]\n')
    found = find_profile(str(path))
    assert found == replace(
        PROFILES["torch"], name="mine", source=str(path), duplicates="last", index_dtypes=("int32",)
    )
    path.write_text('name = "last"\nduplicates = "last"\n')
    report = check(last_duplicate_wins, "spmm_csr", 60, profile=str(path))
    assert report.passed
    assert report.profile == "last"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('duplicate = "last"', "there is no axis 'duplicate'"),
        ('duplicates = "first"', "duplicates is 'first'; it must be one of 'sum', 'last'"),
        ("duplicates = 1", "duplicates is 1"),
        ("flush_to_zero = 1", "flush_to_zero is 1; it must be one of false, true"),
        ('like = "scypi"', "like is 'scypi'"),
        ('index_dtypes = ["float32"]', "index_dtypes is"),
        ("name = 3", "it must be a text"),
        ("duplicates =", "Invalid value"),
    ],
)
def test_mistakes_in_a_file_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        Profile.from_toml(path)
    assert message in str(error.value)


def test_a_missing_file_and_an_unknown_name_are_told() -> None:
    with pytest.raises(UsageError, match="No such file"):
        find_profile("nowhere.toml")
    with pytest.raises(UsageError, match="known profiles: default, ieee"):
        find_profile("nowhere")
