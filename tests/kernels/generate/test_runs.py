"""How a vectorized form takes rows together: groups, what fills them up, and whole diagonals."""

from typing import Any

import numpy as np
import pytest

from minisparse.core.tensor_type import dense_type
from minisparse.formats import COO, CSR, from_dense
from minisparse.kernels.generate import describe, generate, runs
from minisparse.kernels.generate.launch import launch
from minisparse.kernels.generate.loops import write_loops
from minisparse.kernels.generate.runs import MOST_DIAGONALS, group_rows
from minisparse.kernels.generate.written import written
from minisparse.ops import OPS
from minisparse.oracle import exact, judge

RNG = np.random.default_rng(2)


def check(a: Any, b: Any, op: str = "spmm") -> str:
    made = generate(op, a, level="vectorized")
    found = judge(made.run(a, b), exact(OPS[op], (a, b)))
    assert found.passed, found.message
    return made.source


def ragged() -> CSR:
    """Return a matrix whose rows have nine different lengths, and so are filled up."""
    x = np.triu(np.ones((9, 9), "float32")) * RNG.standard_normal((9, 9)).astype("float32")
    a = from_dense(x, "csr")
    assert isinstance(a, CSR)
    return a


def test_what_fills_up_is_zero_even_where_the_first_value_is_not_finite() -> None:
    a = ragged()
    for number in (np.inf, np.nan):
        data = a.data.copy()
        data[0] = number
        assert "filled up" in check(a.with_data(data), np.ones((9, 3), "float32"))


@pytest.mark.parametrize("op", ["spmm", "spmv", "dsmm", "spmm_t"])
def test_what_fills_up_meets_no_element_that_is_not_finite(op: str) -> None:
    a = ragged()
    b = np.full({"spmv": (9,), "dsmm": (2, 9)}.get(op, (9, 2)), np.inf, "float32")
    given = (b, a) if op == "dsmm" else (a, b)
    made = generate(op, a, level="vectorized")
    found = judge(made.run(*given), exact(OPS[op], given))
    assert found.passed, found.message


def test_groups_hold_every_row_that_stores_anything_once() -> None:
    for counts in (
        np.zeros(4, int),
        np.array([0, 3, 0, 1]),
        RNG.integers(0, 400, 300),
        np.array([5000, *[1] * 99, 7, 8, 9]),
    ):
        groups = group_rows(counts)
        rows = np.concatenate([np.zeros(0, int), *(rows for _, rows in groups)])
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(counts))
        assert all(counts[rows].max() == length for length, rows in groups)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_diagonals_are_slices(shape: tuple[int, int]) -> None:
    for offsets in ((0,), (-1, 0, 1), (2,), (-3, 1)):
        x = np.zeros(shape, "float32")
        for d in offsets:
            x += np.eye(*shape, d, dtype="float32") * RNG.standard_normal(shape[1])
        for format in ("csr", "csc", "coo"):
            a = from_dense(x.astype("float32"), format)
            source = check(a, RNG.standard_normal((shape[1], 3)).astype("float32"))
            assert "a.diagonals[0]" in source
            assert "gather" not in source
            assert "a.diagonals[0]" in check(a, np.ones(shape[1], "float32"), "spmv")


def test_what_only_looks_like_diagonals_is_not_taken_for_them() -> None:
    whole = np.eye(6, dtype="float32")
    gap = whole.copy()
    gap[2, 2] = 0
    many = sum(np.eye(9, k=d, dtype="float32") for d in range(MOST_DIAGONALS + 1))
    # Twice the first, and none in the second row: as many entries as from the first to the third.
    twice = COO(np.ones(3, "float32"), [0, 0, 2], [0, 0, 2], (3, 3))
    short = CSR(np.ones(3, "float32"), [0, 0, 2], [0, 2, 2, 3], (3, 3))
    for a in (from_dense(gap, "csr"), from_dense(np.asarray(many), "csr"), twice, short):
        assert "diagonals" not in check(a, np.ones((a.shape[1], 2), "float32"))


def test_entries_beyond_those_looked_at_first_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOOKED_AT", 4)
    x = np.eye(6, dtype="float32")
    x[5] = [1, 0, 0, 0, 0, 0]
    assert "diagonals" not in check(from_dense(x, "csr"), np.ones((6, 2), "float32"))


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (3,), (1,), (), (5, 3)])
def test_a_residual_broadcasts_in_every_form(shape: tuple[int, ...]) -> None:
    a = from_dense(np.tri(5, 4, dtype="float32"), "csr")
    op, bias = OPS["spmm_bias_add"], np.arange(5, dtype="float32")
    residual = RNG.standard_normal(shape).astype("float32")
    operands = (a, RNG.standard_normal((4, 3)).astype("float32"), bias, residual)
    nest = describe(op, (a.type, *map(dense_type, operands[1:])))
    truth = exact(op, operands)
    assert judge(written(nest.name, write_loops(nest))(*operands), truth).passed
    if shape:
        assert judge(launch(nest, *operands), truth).passed
