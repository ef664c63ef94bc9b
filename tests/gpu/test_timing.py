"""Timing a card by events, on a card with a clock that is known."""

import time

import pytest

from minisparse.gpu.timing import LEAST_ROUNDS, MOST_CALLS, WARM_UP, host_seconds, time_on_gpu
from tests.gpu.pretend_cuda import Card, card

__all__ = ["card"]


def test_cold_figures_are_of_one_call_after_the_caches_were_emptied(card: Card) -> None:
    found = time_on_gpu({"a": lambda: card.launch("a", 3e-6)}, rounds=6)
    assert found["a"] == pytest.approx([3e-6] * 6)
    assert card.log == ["a"] * WARM_UP + ["evict", "event", "a", "event"] * 6


def test_contenders_take_turns(card: Card) -> None:
    calls = {name: lambda name=name: card.launch(name, 1e-6) for name in ("a", "b")}
    time_on_gpu(calls, rounds=3)
    order = [what for what in card.log[2 * WARM_UP :] if what in calls]
    assert order == ["a", "b"] * 3


def test_warm_figures_are_of_many_calls_in_a_row(card: Card) -> None:
    calls = {"short": lambda: card.launch("s", 1e-6), "long": lambda: card.launch("l", 4e-4)}
    found = time_on_gpu(calls, cold=False, rounds=5)
    assert found["short"] == pytest.approx([1e-6] * 5)
    assert found["long"] == pytest.approx([4e-4] * 5)
    assert "evict" not in card.log
    assert card.log.count("s") == WARM_UP + 1 + 5 * MOST_CALLS
    assert card.log.count("l") == WARM_UP + 1 + 5 * 2


def test_the_first_call_is_in_no_figure(card: Card) -> None:
    costs = iter([1.0] + [1e-6] * 100)
    for cold in (True, False):
        found = time_on_gpu({"a": lambda: card.launch("a", next(costs, 1e-6))}, cold, rounds=5)
        assert max(found["a"]) == pytest.approx(1e-6)


def test_no_round_is_begun_after_the_budget(card: Card) -> None:
    def slow() -> None:
        time.sleep(0.002)
        card.launch("a", 1e-6)

    assert len(time_on_gpu({"a": slow}, rounds=500, budget=0.0)["a"]) == LEAST_ROUNDS
    assert len(time_on_gpu({"a": slow}, rounds=7, budget=10)["a"]) == 7


def test_what_the_host_takes_is_timed_without_waiting_for_the_card(card: Card) -> None:
    def call() -> None:
        time.sleep(0.001)
        card.launch("a", 5.0)

    assert 0.001 <= host_seconds(call, 5) < 1.0
    assert card.log == ["a"] * WARM_UP + ["synchronize"] + ["a"] * 5 + ["synchronize"]
