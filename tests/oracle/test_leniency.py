"""A failure that another choice allows says which; one that no choice allows says nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.oracle.attempt import attempt
from minisparse.oracle.check import problems
from minisparse.oracle.contracts import find_contract
from minisparse.oracle.leniency import allowed_by
from minisparse.oracle.outcomes import TimedOut
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import AXES, DEFAULT, IEEE
from minisparse.oracle.shrink import shrink

from .right_kernels import loops
from .wrong_kernels import (
    computes_with_implicit_zeros,
    drops_last_row,
    last_duplicate_wins,
    needs_sorted_indices,
    skips_explicit_zeros,
)

SPMM = find_contract("spmm_csr")


def first_failure(fn: Callable[..., Any], profile: Any = DEFAULT) -> Problem:
    with np.errstate(all="ignore"):
        for problem in problems(SPMM, 0):
            if attempt(fn, SPMM, problem, profile).failed:
                return shrink(problem, lambda p: attempt(fn, SPMM, p, profile).failed)
    raise AssertionError


@pytest.mark.parametrize(
    ("fn", "best"),
    [
        (computes_with_implicit_zeros, "right if implicit zeros are computed: profile ieee"),
        (skips_explicit_zeros, "right if stored zeros count as not stored"),
        (last_duplicate_wins, "right if of duplicates the last one counts"),
        (needs_sorted_indices, "right if the indices of a row are sorted: profile torch, onnx"),
    ],
)
def test_a_choice_is_named(fn: Callable[..., Any], best: str) -> None:
    found = allowed_by(fn, SPMM, first_failure(fn), DEFAULT)
    assert best in found
    assert all(sentence.startswith("right ") for sentence in found)


def test_what_presets_choose_comes_first() -> None:
    first, *_, last = allowed_by(
        last_duplicate_wins, SPMM, first_failure(last_duplicate_wins), DEFAULT
    )
    assert first == "right if no duplicates are given: profile torch, cusparse, onnx, graphblas"
    assert last == "right if of duplicates the last one counts"


def test_it_works_from_any_profile() -> None:
    problem = first_failure(loops, IEEE)
    assert allowed_by(loops, SPMM, problem, IEEE)[0].startswith(
        "right if implicit zeros are skipped: profile default, scipy"
    )


def test_a_mistake_is_allowed_by_nothing() -> None:
    assert allowed_by(drops_last_row, SPMM, first_failure(drops_last_row), DEFAULT) == ()


def test_what_does_not_fail_again_or_hangs_is_not_explained() -> None:
    calls = 0

    def hangs(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        raise TimedOut("no answer in 1 s")

    problem = next(problems(SPMM, 0))
    assert allowed_by(loops, SPMM, problem, DEFAULT) == ()
    assert allowed_by(hangs, SPMM, problem, DEFAULT) == ()
    assert calls == 1


def test_every_choice_has_its_words() -> None:
    from minisparse.oracle.leniency import _MEANINGS

    assert set(_MEANINGS) == {(axis, value) for axis, values in AXES.items() for value in values}
