"""The hard inputs: every kind is among them, and shrinking keeps what makes them fail."""

import itertools

import numpy as np
import pytest

from minisparse.core.triplets import Triplets
from minisparse.oracle.cases import hard_problems, sparse_problem
from minisparse.oracle.check import problems
from minisparse.oracle.contracts import CONTRACTS
from minisparse.oracle.problem import LAYOUTS, Problem, arrange, describe
from minisparse.oracle.random_cases import random_problem
from minisparse.oracle.shrink import shrink
from minisparse.oracle.values import DTYPES

HARD = list(hard_problems(np.random.default_rng(0)))
DRAWN = [random_problem(0, i) for i in range(200)]


@pytest.mark.parametrize(
    "label",
    [
        "first row empty", "last row empty", "a run of empty rows", "no rows", "no columns",
        "nothing stored", "one row", "a row longer than 32", "a row longer than 128",
        "a row longer than 256", "unsorted", "reverse sorted", "duplicates side by side",
        "duplicates apart", "explicit zeros beside inf", "explicit zeros beside nan",
        "implicit zeros beside inf", "implicit zeros beside nan", "float32: cancelling sums",
        "float32: badly scaled rows", "float32: subnormal", "-0.0 stored, -0.0 in b",
        "indices of int32 and int64", "values overwritten in place", "wide", "tall",
        "everything square", "int8: sums that wrap", "one more than 32",
    ],
)  # fmt: skip
def test_every_kind_of_trouble_is_there(label: str) -> None:
    assert sum(p.label == label for p in HARD) >= 1


def test_hard_ones_leave_room_for_random_ones() -> None:
    assert 100 < len(HARD) < 160
    assert {p.layout for p in HARD} == set(LAYOUTS)
    assert {p.a.data.dtype for p in HARD} == set(DTYPES)


def test_labels_say_what_is_so() -> None:
    for problem in HARD:
        text = describe(problem)
        if problem.label.startswith("duplicates"):
            assert "duplicates" in text
        if problem.label in ("unsorted", "reverse sorted"):
            assert "unsorted" in text
        if "empty" in problem.label and "row" in problem.label:
            assert "empty rows" in text
        assert np.isfinite(problem.a.data).all() or "stored" in problem.label


def test_random_ones_mix_troubles_and_are_all_valid() -> None:
    for problem in DRAWN + HARD:
        a = problem.a
        assert len(a.row) == len(a.col) == len(a.data)
        assert not len(a.row) or (a.row.max() < a.shape[0] and a.col.max() < a.shape[1])
        assert problem.b.shape[0] == a.shape[1]
        assert problem.bias.shape == (a.shape[0],)
        for name, dtype in zip(("row", "col"), problem.index_dtypes, strict=True):
            assert np.iinfo(dtype).max >= (len(a.row) if name == "row" else a.shape[1])
    assert len({describe(p) for p in DRAWN}) > 60


@pytest.mark.parametrize("name", sorted(set(CONTRACTS) - {"spgemm_csr", "dense_to_csr"}))
def test_what_is_encoded_is_what_is_meant(name: str) -> None:
    """Decoding gives back the matrix, except that 2:4 has no room for more than two of four."""
    contract = CONTRACTS[name]
    for problem in itertools.islice(problems(contract, 0), 200):
        arguments = contract.arguments(problem)
        decoded = contract.operands(arguments)[0]
        assert isinstance(decoded, Triplets)
        m, k = problem.a.shape
        if m * k > 10**6:  # too large to be written out
            continue
        with np.errstate(all="ignore"):
            found, meant = decoded.to_dense(), problem.a.to_dense()
        assert not np.delete(found, np.s_[:m], 0).any()
        if name == "spmm_nm":
            shape = found.shape[0], found.shape[1] // 4, 4
            groups = (found != 0).reshape(shape).sum(axis=2)
            assert not groups.size or groups.max() <= 2
        else:
            assert np.array_equal(found[:m, :k], meant, equal_nan=problem.a.data.dtype.kind in "fc")


@pytest.mark.parametrize("layout", LAYOUTS[:5])
def test_layouts_keep_values(layout: str) -> None:
    x = np.arange(12.0).reshape(3, 4)
    for shape in ((3, 4), (12,), (0, 3), (3, 0)):
        y = x.reshape(shape) if np.prod(shape) else np.zeros(shape)
        assert np.array_equal(arrange(y, layout), y)  # type: ignore[arg-type]
    assert arrange(x, "F").flags.f_contiguous
    assert arrange(x, "backwards").strides[0] < 0
    assert not arrange(x, "strided").flags.c_contiguous


def test_shrinking_leaves_what_is_needed_and_no_more() -> None:
    problem = sparse_problem(np.random.default_rng(0), "", (20, 30), 0.4)

    def fails(p: Problem) -> bool:
        """Two entries of one row, in the columns that were 7 and 9 at first, by their values."""
        return any((p.a.row == m).sum() >= 3 for m in range(p.a.shape[0]))

    small = shrink(problem, fails)
    assert small.a.shape == (1, 3)
    assert len(small.a.row) == 3
    assert small.a.data.tolist() == [1, 1, 1]
    assert small.b.shape == (3, 0)


def test_shrinking_keeps_to_its_budget() -> None:
    asked = 0

    def fails(p: Problem) -> bool:
        nonlocal asked
        asked += 1
        return len(p.a.row) > 50

    small = shrink(sparse_problem(np.random.default_rng(0), "", (30, 30), 0.9), fails, most=40)
    assert asked <= 40
    assert len(small.a.row) > 50
