"""The mutation score: every wrong implementation is found, and no right one is called wrong."""

from collections import Counter

import pytest

from minisparse.oracle.contracts import CONTRACTS
from tests.oracle.mutants.mutant import Mutant
from tests.oracle.mutants.score import EXAMPLES, MUTANTS, run, table
from tests.oracle.variants.all import VARIANTS, false_alarms


@pytest.mark.parametrize("op", sorted(CONTRACTS))
def test_every_wrong_implementation_is_found(op: str) -> None:
    outcomes = [run(m) for m in MUTANTS if m.op == op]
    missed = [o.mutant.name for o in outcomes if o.found_at is None]
    assert not missed
    assert all(o.seconds < 20 for o in outcomes)
    assert all(o.found_at <= EXAMPLES for o in outcomes if o.found_at is not None)
    assert f"{len(outcomes)}/{len(outcomes)}" in table(outcomes)


def test_no_right_implementation_is_called_wrong() -> None:
    assert [name for name, _ in false_alarms(examples=60)] == []


def test_the_corpus_is_wide() -> None:
    assert len(MUTANTS) >= 60
    assert len(VARIANTS) >= 20
    assert {m.op for m in MUTANTS} == set(CONTRACTS) == {op for op, _ in VARIANTS}
    assert min(Counter(m.op for m in MUTANTS).values()) >= 3
    assert len({(m.op, m.name) for m in MUTANTS}) == len(MUTANTS)


def test_what_is_not_wrong_is_not_found() -> None:
    from tests.oracle.variants.plain import spmm_coo

    outcome = run(Mutant("spmm_coo", "none", lambda: spmm_coo, "right"), examples=30)
    assert outcome.found_at is None
