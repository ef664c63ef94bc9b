"""The campaign: no legitimate order leaves a bound, and adversarial sums nearly reach it.

Small by default; ``HYPOTHESIS_PROFILE=nightly`` tries longer sums, more seeds and columns.
"""

import os
from dataclasses import replace

import numpy as np
import pytest

from tests.oracle import campaign
from tests.oracle.campaign_orders import SPMM, three_multiplications

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


@pytest.fixture(scope="module")
def table() -> campaign.Table:
    return campaign.measure(campaign.LARGE, 3, 40) if NIGHTLY else campaign.measure()


def _left(table: campaign.Table) -> dict[tuple[str, str], float]:
    worst = {row: max(found.values()) for row, found in table.items()}
    return {row: ratio for row, ratio in worst.items() if not ratio <= 1}


def test_no_order_leaves_a_bound(table: campaign.Table) -> None:
    assert _left(table) == {}
    assert {op for op, _ in table} == {*campaign.OPS, "softmax"}


def test_no_order_of_few_terms_leaves_a_bound() -> None:
    assert _left(campaign.measure(campaign.FEW, 20 if NIGHTLY else 1)) == {}


def test_bounds_are_tight(table: campaign.Table) -> None:
    """In every op and dtype some order comes near: a bound that nothing nears proves nothing."""
    best: dict[tuple[str, str], float] = {}
    for (op, _), row in table.items():
        for dtype, ratio in row.items():
            best[op, dtype] = max(best.get((op, dtype), 0), ratio)
    assert min(best.values()) > 0.2
    assert min(ratio for (op, _), ratio in best.items() if op == "SpMM") > 0.98


def test_one_sided_sums_nearly_reach_the_bound() -> None:
    """``K u S`` in sequential order, for every K: no smaller factor than K would be right."""
    for terms, near in campaign.nearness((2, 10, 300)).items():
        assert all(0.99 < ratio <= 1 for ratio in near), terms


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_a_smaller_bound_would_be_left(dtype: str) -> None:
    """The campaign's sums, with the bound broken on purpose."""
    rng = np.random.default_rng(0)
    a, b = campaign.factors(rng, 17, np.dtype(dtype), "one-sided", 2)
    (_, truth) = campaign.spmm_case(rng, a, b)
    got = SPMM["FMA-like"](a, b)
    assert truth.judge(got).passed
    assert not replace(truth, bound=0.95 * truth.bound).judge(got).passed


def test_three_multiplications_leave_the_bound() -> None:
    """Complex products of three real ones are bounded in norm only, as bounds.py says."""
    rng = np.random.default_rng(0)
    a, b = (campaign.values(rng, shape, "c16", False) for shape in ((3, 9), (9, 20)))
    # Of small real parts: what is lost in the large products is lost of the small ones.
    a, b = 1e-3 * a.real + 1j * a.imag, 1e-3 * b.real + 1j * b.imag
    (_, truth) = campaign.spmm_case(rng, a, b)
    assert truth.judge(a @ b).passed
    assert truth.judge(three_multiplications(a, b)).error_over_bound > 5


def test_the_table_is_markdown(table: campaign.Table) -> None:
    lines = campaign.drawn(table).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == len(table) + 2
