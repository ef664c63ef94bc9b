"""Contracts of structured results: plain implementations pass, and each kind of bug is found."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.oracle import check
from minisparse.oracle.contracts import CONTRACTS
from tests.oracle.variants import plain

RIGHT: dict[str, Callable[..., Any]] = {
    name: getattr(plain, name)
    for name in (
        "spgemm_csr", "sddmm_csr", "softmax_csr", "coo_to_csr", "csr_to_csc", "csr_to_coo",
        "csr_to_bsr", "dense_to_csr",
    )
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_plain_implementation_passes(name: str) -> None:
    report = check(RIGHT[name], name, examples=250)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", RIGHT)
def test_values_one_place_further_are_found(name: str) -> None:
    def shifted(*arguments: Any) -> Any:
        got = RIGHT[name](*arguments)
        return (*got[:2], np.roll(got[2], 1)) if isinstance(got, tuple) else np.roll(got, 1)

    report = check(shifted, name, examples=60)
    assert not report.passed
    assert str(report)
    assert report._repr_html_()


def test_every_contract_of_the_table_is_here() -> None:
    assert set(CONTRACTS) >= set(RIGHT)
    assert all(contract.call.startswith("(") for contract in CONTRACTS.values())
