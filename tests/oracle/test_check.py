"""``ms.oracle.check``: finds every wrong kernel, and raises no alarm at right ones."""

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.core.errors import UsageError
from minisparse.core.triplets import Triplets
from minisparse.oracle import Crashed, Report, check
from minisparse.oracle.contracts import CONTRACTS
from tests.oracle.mutants.score import report_of
from tests.oracle.right_kernels import RIGHT, Kernel, loops, rows_of
from tests.oracle.wrong_kernels import WRONG, name_of

SHOWS = {
    # What the smallest input of some must still have, and how large it may be.
    "last_duplicate_wins": ("duplicates", 2),
    "needs_sorted_indices": ("unsorted", 3),
    "reduceat_after_empty_rows": ("empty rows", 1),
    "skips_explicit_zeros": ("explicit zeros, NaN or infinities", 1),
    "computes_with_implicit_zeros": ("NaN or infinities", 0),
    "ignores_fortran_order": ("layout F", 1),
    "KeepsStaleValues": ("a call before with other values", 1),
    "accumulates_in_float16": ("dtype float16", 3),
    "transposes_square": ("empty rows", 1),
    "drops_last_row": ("a plain 1x1 matrix", 1),
    "sorts_in_place": ("unsorted", 2),
}
RULES = {
    "sorts_in_place": "inputs",
    "ReturnsItsBuffer": "fresh",
    "returns_float64": "dtype",
    "takes_dtype_of_a": "dtype",
    "squeezes_one_column": "shape",
    "hides_nan": "special",
    "fails_on_nothing_stored": "exception ValueError",
}


@pytest.mark.parametrize("maker", WRONG, ids=name_of)
def test_every_wrong_kernel_is_found_in_200_examples(maker: Callable[[], Kernel]) -> None:
    report = report_of(name_of(maker))
    assert not report.passed
    first = report.failures[0]
    assert report.failed == sum(f.count for f in report.failures)
    name = name_of(maker)
    if name in RULES:
        assert first.rule == RULES[name]
    if name in SHOWS:
        label, most = SHOWS[name]
        assert label in first.label
        assert len(first.inputs["indices"]) <= most
    assert len(str(report).splitlines()) <= 24
    assert "failed" in report._repr_html_()


def test_wrong_kernels_are_many() -> None:
    assert len(WRONG) >= 15
    assert len(RIGHT) >= 6


@pytest.mark.parametrize("kernel", RIGHT, ids=lambda k: str(k.__name__))
def test_right_kernels_raise_no_alarm(kernel: Kernel) -> None:
    report = check(kernel, "spmm_csr", examples=300, seed=RIGHT.index(kernel))
    assert report.passed, str(report)
    assert report.examples == 300
    assert 0.2 < report.error_over_bound <= 1


def test_scipy_raises_no_alarm() -> None:
    sparse = pytest.importorskip("scipy.sparse")

    def spmm(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        dtype = np.result_type(data, b)
        wide = dtype if dtype.kind in "biuc" or dtype.itemsize > 2 else np.dtype("float32")
        index = indptr.astype("int64"), indices.astype("int64")
        a = sparse.csr_array((data.astype(wide), index[1], index[0]), shape=shape)
        return (a @ np.ascontiguousarray(b).astype(wide)).astype(dtype)

    report = check(spmm, "spmm_csr", examples=300)
    assert report.passed, str(report)


def test_the_found_input_fails_when_called_by_hand() -> None:
    for maker in WRONG:
        if name_of(maker) not in ("last_duplicate_wins", "drops_last_row", "hides_nan"):
            continue
        failure = check(maker(), "spmm_csr", examples=200).failures[0]
        with np.errstate(all="ignore"):
            again = maker()(*failure.inputs.values())
        assert list(failure.inputs) == ["indptr", "indices", "data", "shape", "b"]
        assert np.array_equal(again, failure.got, equal_nan=True)
        assert not np.array_equal(again, failure.expected, equal_nan=True)


def test_the_ieee_profile_turns_two_verdicts_around() -> None:
    def dense(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        a = np.zeros(shape, data.dtype)
        np.add.at(a, (rows_of(indptr), indices), data)
        wide = np.result_type(a, b)
        wide = wide if wide.itemsize > 2 or wide.kind in "biu" else np.dtype("float32")
        return (a.astype(wide) @ b.astype(wide)).astype(np.result_type(data, b))

    assert check(dense, "spmm_csr", examples=60, profile="ieee").passed
    assert not check(dense, "spmm_csr", examples=60).passed
    assert not check(loops, "spmm_csr", examples=60, profile="ieee").passed


def test_another_result_within_the_bound_is_a_note() -> None:
    calls = iter(range(10**6))

    def unsteady(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        if np.result_type(data, b) != np.float32:
            return loops(indptr, indices, data, shape, b)
        row = rows_of(indptr)
        back = np.arange(len(row))[:: 1 if next(calls) % 3 else -1]
        c = np.zeros((shape[0], b.shape[1]), "f4")
        np.add.at(c, row[back], data[back, None] * b[indices[back]])
        return c

    report = check(unsteady, "spmm_csr", examples=200)
    assert report.passed, str(report)
    assert report.notes["not the same bits twice"] > 0
    assert "not the same bits twice" in str(report)


def test_wrong_only_the_second_time() -> None:
    calls = iter(range(10**6))

    def tired(*arguments: Any) -> Any:
        return loops(*arguments) + next(calls) % 2

    report = check(tired, "spmm_csr", examples=20)
    assert "repeat" in {f.rule for f in report.failures}


def right_answer(name: str) -> Kernel:
    """Return an implementation of a contract by decoding and summing in the plainest way."""
    contract = CONTRACTS[name]

    def fn(*arguments: Any) -> Any:
        names = list(NAMES[name])
        given = dict(zip(names, arguments, strict=True))
        a, b, *bias = contract.operands(given)
        assert isinstance(a, Triplets)
        assert isinstance(b, np.ndarray)
        counts = np.bincount(a.row, minlength=a.shape[0])
        order = np.argsort(a.row, kind="stable")
        dense = b if b.ndim == 2 else b[:, None]
        indptr = np.append(0, np.cumsum(counts))
        c = loops(indptr, a.col[order], a.data[order], a.shape, dense)
        c = c + np.asarray(bias[0])[:, None] if bias else c
        c = np.maximum(c, c.dtype.type(0)) if bias else c
        return c if b.ndim == 2 else c[:, 0].copy()

    return fn


NAMES = {
    "spmv_csr": ("indptr", "indices", "data", "shape", "x"),
    "spmm_csr": ("indptr", "indices", "data", "shape", "b"),
    "spmm_csc": ("indptr", "indices", "data", "shape", "b"),
    "spmm_bsr": ("indptr", "indices", "data", "shape", "b"),
    "spmm_coo": ("row", "col", "data", "shape", "b"),
    "spmm_nm": ("values", "positions", "shape", "b"),
    "spmm_bias_relu_csr": ("indptr", "indices", "data", "shape", "b", "bias"),
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_contract_can_be_fulfilled_and_broken(name: str) -> None:
    fn = right_answer(name)
    report = check(fn, name, examples=180)
    assert report.passed, str(report)

    def off_by_one(*arguments: Any) -> Any:
        c = fn(*arguments)
        return np.roll(c, 1, axis=0)

    broken = check(off_by_one, name, examples=40)
    assert not broken.passed
    assert tuple(broken.failures[0].inputs) == NAMES[name]


def test_relu_must_let_nan_through() -> None:
    fn = right_answer("spmm_bias_relu_csr")

    def hides(*arguments: Any) -> Any:
        c = fn(*arguments)
        return np.where(c > 0, c, c.dtype.type(0))

    report = check(hides, "spmm_bias_relu_csr", examples=100)
    assert {f.rule for f in report.failures} == {"special"}


def test_the_same_seed_asks_the_same() -> None:
    def record(into: list[bytes]) -> Kernel:
        def fn(*arguments: Any) -> Any:
            into.append(b"".join(np.asarray(a).tobytes() for a in arguments))
            return loops(*arguments)

        return fn

    first: list[bytes] = []
    second: list[bytes] = []
    third: list[bytes] = []
    check(record(first), "spmm_csr", examples=150, seed=4)
    check(record(second), "spmm_csr", examples=150, seed=4)
    check(record(third), "spmm_csr", examples=150, seed=5)
    assert first == second
    assert first != third


def test_what_cannot_be_asked_for_is_said() -> None:
    known = re.escape(", ".join(sorted(CONTRACTS)))
    with pytest.raises(UsageError, match=f"no op 'spmm_xyz' to check; known: {known}"):
        check(loops, "spmm_xyz")
    with pytest.raises(UsageError, match="no profile 'fast'; known profiles: default, ieee"):
        check(loops, "spmm_csr", profile="fast")
    with pytest.raises(UsageError, match="examples is 0; it must be at least 1"):
        check(loops, "spmm_csr", examples=0)


def no_shape(indptr: Any, indices: Any, data: Any, b: Any) -> Any:
    raise AssertionError("is not called")


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (3, "3 is not a function"),
        (no_shape, r"no_shape\(.*\) .*cannot be called with 5 arguments by position: too many"),
        (lambda *a, b: b, "missing a required"),
        (np.add, "cannot be called with 5 arguments"),
    ],
)
def test_what_cannot_be_called_is_refused_at_once(fn: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        check(fn, "spmm_csr")
    assert "spmm_csr is called as fn(indptr, indices, data, shape, b) -> c" in str(refused.value)


def test_a_wrapper_is_asked_for_its_own_signature() -> None:
    @functools.wraps(no_shape)
    def wrapper(*arguments: Any) -> Any:
        return loops(*arguments)

    assert check(wrapper, "spmm_csr", examples=5).passed


def test_a_callable_without_a_signature_is_called() -> None:
    class Silent:
        __signature__ = "none to speak of"  # `inspect.signature` raises TypeError

        def __call__(self, *arguments: Any) -> Any:
            return loops(*arguments)

    assert check(Silent(), "spmm_csr", examples=5).passed
    assert not check(dict, "spmm_csr", examples=5).passed  # a builtin: ValueError


def test_a_report_reads_well() -> None:
    report = check(loops, "spmm_csr", examples=10)
    assert isinstance(report, Report)
    assert str(report).splitlines()[:2] == [
        "spmm_csr: passed",
        "  examples: 10: 10 right, 0 wrong, 0 vacuous",
    ]
    assert "<script" not in report._repr_html_()
    broken = check(lambda *a: loops(*a) + 1, "spmm_csr", examples=10)
    assert "must be exactly" in str(broken)
    assert all(len(line) <= 80 for line in str(broken).splitlines())


def test_a_kernel_that_is_wrong_now_and_then_is_called_so() -> None:
    rng = np.random.default_rng(0)

    def flaky(*arguments: Any) -> Any:
        c = loops(*arguments)
        return c + c.dtype.type(1) if rng.random() < 0.1 else c

    report = check(flaky, "spmm_csr", examples=120)
    assert not report.passed
    assert any("differs from call to call" in f.guess for f in report.failures)
    assert str(report)


def test_a_kernel_that_never_answers_is_given_up() -> None:
    asked = 0

    def dies(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        raise Crashed("killed")

    report = check(dies, "spmm_csr", examples=400)
    assert (report.examples, report.failed) == (10, 10)
    assert asked < 200
    assert "stopped: each of 10 inputs ended without an answer" in str(report)


def test_only_some_dtypes_are_asked_for() -> None:
    seen: set[str] = set()

    def fn(*arguments: Any) -> Any:
        seen.add(arguments[2].dtype.name)
        return loops(*arguments)

    report = check(fn, "spmm_csr", examples=150, dtypes=["float64", "int8"])
    assert (report.passed, report.examples) == (True, 150)
    assert seen == {"float64", "int8"}
    with pytest.raises(UsageError, match="dtypes float33: there are "):
        check(fn, "spmm_csr", dtypes=["float33"])


def test_guesses_that_were_wrong() -> None:
    def refuses_float16(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        if data.dtype == np.float16:
            raise ValueError("does not support dtype float16")
        return loops(indptr, indices, data, shape, b)

    (found,) = check(refuses_float16, "spmm_csr", examples=200).failures
    assert found.guess == "does not take float16"

    def refuses_all(*arguments: Any) -> Any:
        raise ValueError("no")

    (found,) = check(refuses_all, "spmm_csr", examples=20).failures
    assert found.guess == ""
