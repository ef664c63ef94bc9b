"""``minisparse breakeven --target gpu`` on a pretended card, whose clock is known."""

from typing import Any

import numpy as np
import pytest

from minisparse.bench import breakeven_ways, on_card
from minisparse.bench.breakeven import Settings, ways_of
from minisparse.bench.breakeven_cases import Case, draw
from minisparse.bench.breakeven_ways import visit
from minisparse.bench.breakeven_worker import answer
from tests.pretend_device import PretendCupy

CASE = Case("unstructured", (24, 40), 4, "float32")


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the dense product take 4 us, our kernels 1, and each call be made."""

    def timed(calls: Any, cold: bool, rounds: int) -> Any:
        (call,) = calls.values()
        result = call()
        assert not isinstance(result, np.ndarray)
        return {"": (4e-6, 5e-6)}

    monkeypatch.setattr(on_card, "time_on_gpu", timed)
    monkeypatch.setattr(breakeven_ways, "_PAUSE", 0.0)


@pytest.mark.usefixtures("pretend_cupy", "_clock")
def test_ways_on_the_card_are_computed_there_checked_and_timed() -> None:
    ways = ways_of("none", "", "gpu")
    assert ways.target.device == "gpu"
    assert "gpu" in ways.target.levels
    assert "generated" not in ways.target.levels
    found = visit(CASE, draw(CASE, 0.1, np.random.default_rng(0)), ways, 0.1)
    assert not found.faults
    assert {name.rpartition(" ")[2] for name in found.ratios} & {"gpu", "vectorized"}
    assert set(found.sample.ratios) == {1.0}  # the clock says the same of everything


@pytest.mark.usefixtures("_clock")
def test_what_is_wrong_on_the_card_is_a_fault(
    pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = on_card.ready_on_card

    def off(*given: Any) -> Any:
        ready = made(*given)
        return ready._replace(call=lambda: ready.call() + 1)

    monkeypatch.setattr(breakeven_ways, "ready_on_card", off)
    drawn = draw(CASE, 0.1, np.random.default_rng(0))
    found = visit(CASE, drawn, ways_of("none", "", "gpu"), 0.1)
    assert found.faults
    assert not found.ratios


@pytest.mark.usefixtures("pretend_cupy", "_clock")
def test_a_case_is_answered_for_the_target_that_is_asked_for() -> None:
    finding = answer(CASE, "none", "", 0.5, 0, "gpu")
    assert not finding.fault
    assert finding.estimate is not None
    assert Settings((CASE,)).target == "cpu"
