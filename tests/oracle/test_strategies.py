"""Strategies for other test suites, and the search that is steered by them."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from minisparse.core.errors import UsageError
from minisparse.oracle import check, strategies
from minisparse.oracle.contracts import CONTRACTS
from minisparse.oracle.problem import Problem
from tests.oracle.right_kernels import loops
from tests.oracle.variants.plain import PLAIN


@given(strategies.csr())
def test_csr_is_csr(a: Any) -> None:
    assert list(a) == ["indptr", "indices", "data", "shape"]
    ends = a["indptr"].astype(int)
    assert ends[0] == 0
    assert ends[-1] == len(a["data"]) == len(a["indices"])
    assert (np.diff(ends) >= 0).all()
    assert not len(a["indices"]) or 0 <= a["indices"].min() <= a["indices"].max() < a["shape"][1]


@given(strategies.csc(), strategies.coo(), strategies.bsr(), strategies.nm())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_other_formats_are_what_they_say(csc: Any, coo: Any, bsr: Any, nm: Any) -> None:
    assert len(csc["indptr"]) == csc["shape"][1] + 1
    assert len(coo["row"]) == len(coo["col"]) == len(coo["data"])
    assert bsr["data"].ndim == 3
    assert nm["values"].shape == nm["positions"].shape == (nm["shape"][0], nm["shape"][1] // 2)


@given(strategies.dense((3, 4), "float16", special=False), strategies.dense())
def test_dense_arrays(x: Any, y: Any) -> None:
    assert x.shape == (3, 4)
    assert x.dtype == np.float16
    assert np.isfinite(x).all()
    assert y.ndim == 2


@given(st.sampled_from(sorted(CONTRACTS)).flatmap(
    lambda op: st.tuples(st.just(op), strategies.problems(op))
))  # fmt: skip
@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_problems_are_answered_by_plain_implementations(asked: tuple[str, Problem]) -> None:
    op, problem = asked
    contract = CONTRACTS[op]
    arguments = contract.arguments(problem)
    from minisparse.oracle import DEFAULT

    with np.errstate(all="ignore"):
        got = PLAIN[op](*arguments.values())
        assert contract.expect(arguments, DEFAULT).judge(got).passed


def test_troubles_are_drawn_and_shrunk() -> None:
    quiet = settings(database=None, max_examples=2000)
    twice = find(
        strategies.coo(dtype="float32"),
        lambda a: len(set(zip(a["row"].tolist(), a["col"].tolist(), strict=True))) < len(a["row"]),
        settings=quiet,
    )
    assert len(twice["row"]) == 2
    assert np.isnan(find(strategies.dense(dtype="float32"), lambda x: np.isnan(x).any(),
                         settings=quiet)).sum() == 1  # fmt: skip


def test_the_search_finds_what_is_wrong_and_is_counted() -> None:
    report = check(loops, "spmm_csr", examples=5, hypothesis_examples=40)
    assert report.passed, str(report)
    assert report.examples == 45
    broken = check(lambda *a: np.abs(loops(*a)), "spmm_csr", examples=1, hypothesis_examples=60)
    assert not broken.passed


def test_unknown_ops_are_refused() -> None:
    with pytest.raises(UsageError, match="there is no op"):
        strategies.problems("spmm_xyz")


def test_strategies_are_there_when_asked_for() -> None:
    from minisparse import oracle

    assert oracle.strategies is strategies
    with pytest.raises(AttributeError, match="no attribute 'strategy'"):
        oracle.strategy  # noqa: B018 - the access is what is tried
