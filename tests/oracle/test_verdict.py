"""Verdicts: what passes, what fails and by which rule, and what cannot be judged."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minisparse.core.triplets import Triplets
from minisparse.ops import SPMM
from minisparse.oracle import Truth, exact, judge
from minisparse.oracle.truth import from_array


def truth_of(values: Any, bound: Any = 0.0, dtype: str = "float64") -> Truth:
    truth = from_array(np.asarray(values, dtype))
    return replace(truth, bound=np.broadcast_to(np.asarray(bound, truth.hi.dtype), truth.shape))


@pytest.mark.parametrize(
    ("got", "rule"),
    [
        ([1.0, 2.0], "array"),
        (None, "array"),
        (np.array([[1.0, 2.0]]), "shape"),
        (np.array([1.0]), "shape"),
        (np.array([1.0, 2.0], "float32"), "dtype"),
        (np.array([1, 2]), "dtype"),
        (np.array([1.0, 2.5]), "value"),
        (np.array([1.0, np.nan]), "special"),
        (np.array([1.0, np.inf]), "special"),
        (np.array([1.0, 2.0]), ""),
    ],
)
def test_the_broken_rule_is_named(got: Any, rule: str) -> None:
    found = judge(got, truth_of([1.0, 2.0]))
    assert found.rule == rule
    assert found.passed == (rule == "")
    assert (found.message == "") == (rule == "")


def test_the_worst_element_is_found_and_measured() -> None:
    truth = truth_of(np.ones((2, 3)), 0.25)
    found = judge(np.array([[1.0, 1.1, 1.0], [1.0, 1.0, 0.8]]), truth)
    assert found.verdict == "PASS"
    assert found.position == (1, 2)
    assert found.error_over_bound == pytest.approx(0.8)
    found = judge(np.array([[1.0, 1.0, 1.5], [1.0, 1.0, 1.0]]), truth)
    assert found.verdict == "FAIL"
    assert found.message == "[0, 2] is 1.5 but must be within 0.25 of 1: 2 times the bound"


def test_a_part_reports_positions_of_the_whole() -> None:
    found = judge(np.array([[1.0, 3.0]]), truth_of([[1.0, 2.0]]), part=(1, (0, 17)))
    assert found.position == (0, 17)
    assert found.message.startswith("[0, 17] is 3.0")


def test_lo_counts() -> None:
    truth = replace(truth_of([1.0], 2.0**-60), lo=np.array([2.0**-60]))
    assert judge(np.array([1.0]), truth).error_over_bound == 1.0
    assert not judge(np.array([1.0]), replace(truth, bound=np.array([2.0**-61]))).passed


def test_special_values_must_stand_where_they_belong() -> None:
    right = np.array([np.nan, np.inf, -np.inf, 0.0])
    truth = truth_of(right)
    payload = right.copy()
    payload.view(np.uint64)[0] |= 5
    assert judge(payload, truth).passed
    assert judge(np.array([np.nan, np.inf, -np.inf, -0.0]), truth).passed
    for i, wrong in ((0, 1.0), (0, np.inf), (1, -np.inf), (1, np.nan), (2, -1e308), (3, np.nan)):
        got = right.copy()
        got[i] = wrong
        found = judge(got, truth)
        assert (found.rule, found.position) == ("special", (i,))


def test_complex_need_not_agree_on_the_part_that_is_not_finite() -> None:
    truth = truth_of([complex(np.nan, np.inf), 1 + 2j], dtype="complex128")
    assert judge(np.array([complex(np.inf, 0), 1 + 2j]), truth).passed
    assert judge(np.array([complex(1, 0), 1 + 2j]), truth).rule == "special"
    assert judge(np.array([complex(np.inf, 0), 1 + 2.5j]), truth).rule == "value"


def test_parts_of_complex_have_bounds_of_their_own() -> None:
    truth = truth_of([1 + 1j], 0.5 + 0.1j, "complex128")
    assert judge(np.array([1.4 + 1.05j]), truth).passed
    assert not judge(np.array([1.05 + 1.4j]), truth).passed


def test_integers_must_be_met_exactly_however_large() -> None:
    large = 2**62 + 1
    truth = truth_of([large], dtype="int64")
    assert judge(np.array([large]), truth).passed
    assert not judge(np.array([large + 1]), truth).passed


def test_overflow_is_right_where_the_bound_reaches_past_the_largest() -> None:
    most = float(np.finfo("float32").max)
    truth = replace(truth_of([most, -most, 1.0], [1e30, 1e30, 0.5]), dtype=np.dtype("float32"))
    assert judge(np.array([np.inf, -np.inf, 1.0], "float32"), truth).passed
    assert judge(np.array([most, -most, 1.0], "float32"), truth).passed
    assert judge(np.array([-np.inf, -np.inf, 1.0], "float32"), truth).rule == "special"
    assert judge(np.array([np.inf, -np.inf, np.inf], "float32"), truth).rule == "special"


def test_a_sum_that_overflows_on_the_way_is_vacuous_and_not_wrong() -> None:
    most = float(np.finfo("float32").max)
    a = Triplets(np.zeros(3, int), np.arange(3), np.array([most, most / 2, -most], "f4"), (1, 3))
    truth = exact(SPMM, (a, np.ones((3, 1), "f4")))
    for value in (np.inf, np.nan):
        assert judge(np.array([[value]], "f4"), truth).verdict == "VACUOUS"
    assert judge(np.array([[most / 2]], "f4"), truth).verdict == "PASS"
    assert judge(np.array([[most / 4]], "f4"), truth).verdict == "FAIL"


def test_a_sum_that_overflows_before_an_infinity_is_added_may_be_nan() -> None:
    huge = Triplets(np.zeros(2, int), np.arange(2), np.array([2.0, 1.0], "float32"), (1, 2))
    b = np.array([[3e38, 1.0], [-np.inf, -np.inf]], "float32")
    truth = exact(SPMM, (huge, b))
    for first in (-np.inf, np.nan):
        assert judge(np.array([[first, -np.inf]], "float32"), truth).passed
    for wrong in ([np.inf, -np.inf], [0.0, -np.inf], [-np.inf, np.nan], [-np.inf, np.inf]):
        assert not judge(np.array([wrong], "float32"), truth).passed


def test_narrow_results_overflow_to_infinity() -> None:
    a = Triplets(np.zeros(2, int), np.arange(2), np.array([6e4, 6e4], "f2"), (1, 2))
    truth = exact(SPMM, (a, np.ones((2, 1), "f2")))
    assert judge(np.array([[np.inf]], "f2"), truth).passed
    assert not judge(np.array([[65504]], "f2"), truth).passed


def test_vacuous_is_a_verdict_of_its_own() -> None:
    truth = truth_of([1e-9, 0.0], [1.0, 0.0])
    found = judge(np.array([0.5, 0.0]), truth)
    assert (found.verdict, found.vacuous, found.elements) == ("VACUOUS", 1, 2)
    beside = truth_of([1e-9, 3.0], [1.0, 0.1])
    assert judge(np.array([0.5, 3.0]), beside).verdict == "PASS"
    assert judge(np.array([2.5, 3.0]), beside).verdict == "FAIL"
    trivial = truth_of([0.0, 0.0])
    assert judge(np.zeros(2), trivial).verdict == "PASS"


def test_nothing_to_judge_passes() -> None:
    assert judge(np.zeros((0, 3)), truth_of(np.zeros((0, 3)))).verdict == "PASS"


def test_a_scalar_stands_for_an_array_without_dimensions() -> None:
    assert judge(np.float64(2.0), truth_of(2.0)).passed
    assert (
        judge(np.float64(2.5), truth_of(2.0)).message == "the value is 2.5 but must be exactly 2.0"
    )
