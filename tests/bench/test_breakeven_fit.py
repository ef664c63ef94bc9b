"""The statistics of break-evens on synthetic times whose crossing is known."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.bench.breakeven_fit import (
    ANYWHERE,
    NOWHERE,
    Estimate,
    Sample,
    find_crossing,
    pool_adjacent,
)
from minisparse.bench.breakeven_search import (
    LEAST,
    MOST,
    Range,
    bisect_crossing,
    catch_crossing,
    search_crossing,
)

Curve = Callable[[float], float]
OVER = Range(0.002)


def noisy(
    curve: Curve, seed: int, visit: float = 0.03, each: float = 0.05
) -> Callable[..., Sample]:
    """Return a measurement of a curve: each sample is off as a whole, and its rounds are."""
    rng = np.random.default_rng(seed)

    def measure(density: float) -> Sample:
        whole = rng.normal(0, visit) * (4 if rng.random() < 0.05 else 1)
        return Sample(
            density,
            tuple(curve(density) * np.exp(whole + rng.normal(0, each, 7))),
        )

    return measure


@given(st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=3), min_size=1, max_size=6))
def test_pooling_is_the_nearest_sequence_that_does_not_decrease(groups: list[list[int]]) -> None:
    found = pool_adjacent(groups)
    assert (np.diff(found) >= 0).all()
    distance = sum(abs(x - y) for x, group in zip(found, groups, strict=True) for y in group)
    # the least distance, by dynamic programming: some best sequence has only values of the groups
    best = dict.fromkeys(sorted({y for group in groups for y in group}), 0)
    for group in groups:
        least = 10**9
        for x in best:
            least = min(least, best[x])
            best[x] = least + sum(abs(x - y) for y in group)
    assert distance == pytest.approx(min(best.values()))


def test_a_crossing_without_noise_is_found_between_the_samples() -> None:
    densities = np.array([0.4, 0.05, 0.2, 0.1])
    assert find_crossing(densities, (densities / 0.13) ** 0.7) == pytest.approx(0.13)
    assert find_crossing(densities, (densities / 0.13) ** 0.7, mark=0.5) < 0.06


def test_samples_at_one_density_count_together() -> None:
    densities, ratios = np.array([0.1, 0.1, 0.4, 0.1]), np.array([0.5, 0.1, 2.0, 0.6])
    assert find_crossing(densities, ratios) == pytest.approx(0.2)


def test_curves_on_one_side_of_the_mark_do_not_cross() -> None:
    densities = np.array([0.1, 0.2])
    assert find_crossing(densities, np.array([1.1, 2.0])) == NOWHERE
    assert find_crossing(densities, np.array([0.1, 0.9])) == ANYWHERE


CURVES: dict[str, Callable[[float], Curve]] = {
    "straight": lambda at: lambda d: (d / at) ** 0.9,
    "overhead": lambda at: lambda d: 0.25 + 0.75 * d / at,
    "a step beside it": lambda at: lambda d: (d / at) ** 0.7 * (1.0 if d > 0.8 * at else 0.85),
}


@pytest.mark.parametrize("name", CURVES)
def test_intervals_hold_the_crossing_as_often_as_they_say(name: str) -> None:
    trials, hits, factors = 25, 0, []
    for seed in range(trials):
        at = float(np.random.default_rng([seed, 1]).uniform(0.02, 0.5))
        measure = noisy(CURVES[name](at), seed)
        _, found = search_crossing(measure, OVER, 0.1, 1.0, 0.0, seed)
        hits += found.low <= at <= found.high
        factors.append(found.high / found.low)
    # of 25 intervals of 95 % fewer than 21 hold it in 3 of 1000 tries
    assert hits >= 21
    assert np.median(factors) < 1.3


@pytest.mark.parametrize(
    ("height", "verdict"), [(1.3, "none wins"), (0.7, "all win"), (1.0, "cannot be told")]
)
def test_a_curve_that_does_not_cross_is_told_so(height: float, verdict: str) -> None:
    told = [
        search_crossing(noisy(lambda d: height, seed), OVER, 0.1, 1.0, 0.1, seed)[1].verdict
        for seed in range(8)
    ]
    assert told.count(verdict) >= 7, told


def test_a_few_disturbed_samples_do_not_move_the_crossing_far() -> None:
    densities = np.geomspace(0.02, 0.5, 15)
    ratios = densities / 0.1
    ratios[[3, 11]] = 9.0, 0.05
    assert find_crossing(densities, ratios) == pytest.approx(0.1, rel=0.1)


def test_pure_noise_tells_nothing() -> None:
    measure = noisy(lambda d: (d / 0.1) ** 0.5, 3, visit=0.9, each=0.5)
    _, found = search_crossing(measure, OVER, 0.1, 1.0, 0.0, 0)
    assert found.verdict == "cannot be told"
    assert found.high > 1.6 * found.low


def test_verdicts_of_intervals_that_reach_an_end() -> None:
    assert Estimate(0.003, NOWHERE, 0.004).verdict == "cannot be told"
    assert Estimate(ANYWHERE, 0.9, ANYWHERE).verdict == "cannot be told"
    assert Estimate(ANYWHERE, ANYWHERE, ANYWHERE).verdict == "all win"


@pytest.mark.parametrize("start", [0.002, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("at", [0.004, 0.05, 0.7])
def test_a_crossing_is_caught_wherever_the_search_begins(start: float, at: float) -> None:
    samples = catch_crossing(lambda d: Sample(d, (d / at,)), OVER, start, 1.0)
    below = max(s.density for s in samples if s.ratios[0] <= 1)
    above = min(s.density for s in samples if s.ratios[0] > 1)
    assert below <= at <= above <= 2.0001 * below
    assert len(samples) <= 8


def test_a_search_keeps_to_its_numbers_of_samples() -> None:
    curve: Curve = lambda d: d / 0.1  # noqa: E731 - as the other tests' curves
    hurried, _ = search_crossing(noisy(curve, 0), OVER, 0.1, 1.0, 0.0, 0)
    assert len(hurried) == LEAST
    restless, _ = search_crossing(noisy(curve, 0, 0.5), OVER, 0.1, 1.0, 60.0, 0)
    assert len(restless) == MOST


def test_a_wrong_turn_at_the_beginning_is_corrected() -> None:
    first = iter([5.0, 5.0])  # two disturbed samples say that sparse loses where it wins

    def measure(density: float) -> Sample:
        return Sample(density, (next(first, (density / 0.3) ** 0.9),) * 3)

    samples, _ = search_crossing(measure, OVER, 0.1, 1.0, 5.0, 0)
    assert any(0.2 < s.density < 0.45 for s in samples)


def test_only_the_densities_that_there_are_are_asked_for() -> None:
    over = Range(1 / 16, 0.5, (1 / 16, 1 / 8, 1 / 4, 1 / 2))
    measure = noisy(lambda d: d / 0.3, 0)
    samples, found = search_crossing(measure, over, 0.1, 1.0, 0.0, 0)
    assert {s.density for s in samples} == set(over.steps)
    times = {step: sum(s.density == step for s in samples) for step in over.steps}
    assert min(times[1 / 4], times[1 / 2]) > max(times[1 / 16], times[1 / 8])
    assert 0.25 < found.density < 0.5
    assert bisect_crossing(lambda d: d / 0.3, over, 1.0) == pytest.approx(0.3)


def test_predictions_are_bisected_to_the_last_crossing() -> None:
    assert bisect_crossing(lambda d: d / 0.13, OVER, 1.0) == pytest.approx(0.13, rel=0.02)
    twice: Curve = lambda d: 2.0 if 0.01 < d < 0.03 else d  # noqa: E731
    assert bisect_crossing(twice, OVER, 0.5) == pytest.approx(0.5, rel=0.02)
    assert bisect_crossing(lambda d: 0.9, OVER, 1.0) == ANYWHERE
    assert bisect_crossing(lambda d: 1.1, OVER, 1.0) == NOWHERE
