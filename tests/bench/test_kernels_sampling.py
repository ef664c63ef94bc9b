"""Which cells are timed: seeded, balanced, within the budget."""

from collections import Counter

import pytest

from minisparse.bench.sampling import Sample, draw, predict
from minisparse.bench.suite import Cell, Suite
from minisparse.bench.suites import SUITES

DNN = SUITES["dnn"]
NAMES = [c.name for c in DNN.contenders if c.name != "sparse_dot_mkl"]  # who are usually there


def sample(budget: float, seed: int = 0, suite: Suite = DNN) -> Sample:
    return draw(suite, suite.cells(), NAMES, budget, seed)


def promised(cell: Cell) -> bool:
    return any(promise.covers(cell) for promise in DNN.promises)


def test_the_same_seed_and_budget_draw_the_same_cells() -> None:
    assert sample(600) == sample(600)
    assert set(sample(600).cells) != set(sample(600, seed=1).cells)


@pytest.mark.parametrize("name", sorted(SUITES))
def test_cells_are_distinct_and_every_promise_has_some(name: str) -> None:
    suite = SUITES[name]
    cells = suite.cells()
    assert len(set(cells)) == len(cells)
    for promise in suite.promises:
        assert any(promise.covers(cell) and suite.counts(cell) for cell in cells)
        assert set(promise.peers) <= {contender.name for contender in suite.contenders}


@pytest.mark.parametrize("budget", [60.0, 600.0])
def test_the_sample_fits_into_the_budget(budget: float) -> None:
    found = sample(budget)
    costs = [predict(DNN, cell, NAMES) for cell in found.cells]
    assert found.seconds == pytest.approx(sum(costs))
    assert 0.8 * budget < found.seconds <= budget
    assert max(costs) <= budget * DNN.largest_part
    assert found.population == len(DNN.cells())
    assert found.too_large > 0


def test_a_full_run_meets_every_value_of_every_factor_and_every_pair() -> None:
    cells, everything = sample(600).cells, DNN.cells()
    assert {cell.pair for cell in cells} == {cell.pair for cell in everything}
    for factor in ("shape", "columns", "dtype"):
        counts = Counter(getattr(cell, factor) for cell in cells)
        assert set(counts) == {getattr(cell, factor) for cell in everything}
        assert max(counts.values()) <= 2 * min(counts.values())
    for counted in (True, False):
        of = [cell for cell in cells if DNN.counts(cell) == counted]
        for factor in ("columns", "dtype"):
            counts = Counter(getattr(cell, factor) for cell in of)
            assert max(counts.values()) - min(counts.values()) <= 4
    shapes = Counter(cell.shape for cell in cells)
    assert max(shapes.values()) - min(shapes.values()) <= 4


def test_pairs_take_turns_and_promised_ones_come_twice_as_often() -> None:
    counts = Counter(cell.pair for cell in sample(600).cells)
    twice = {n for pair, n in counts.items() if promised(Cell(*pair, (), 1, ""))}
    once = {n for pair, n in counts.items() if not promised(Cell(*pair, (), 1, ""))}
    assert max(once) - min(once) <= 1
    assert max(twice) - min(twice) <= 2
    assert min(twice) >= 1.5 * min(once)
    assert min(once) >= 3


def test_two_of_three_cells_of_a_pair_count_for_promises() -> None:
    cells = sample(600).cells
    for pair in {cell.pair for cell in cells}:
        of = [DNN.counts(cell) for cell in cells if cell.pair == pair]
        assert of[:3] == [True, True, False][: len(of)]
        assert sum(of) >= 2 * (len(of) - sum(of))


def test_an_early_end_leaves_pairs_balanced() -> None:
    cells = sample(600).cells
    counts = Counter(cell.pair for cell in cells[: len(cells) // 2])
    assert max(counts.values()) <= 2 * min(counts.values()) + 2


def test_what_a_contender_does_not_take_costs_nothing() -> None:
    suite = SUITES["spgemm"]
    huge, large = (Cell("unstructured", 0.001, (n, n), n, "float32") for n in (8192, 4096))
    dense = predict(suite, large, ["ours", "dense"]) - predict(suite, large, ["ours"])
    assert dense > 1
    assert predict(suite, huge, ["ours", "dense"]) == predict(suite, huge, ["ours"])


def test_a_small_budget_still_finds_the_smallest_cells() -> None:
    smallest = min(predict(DNN, cell, NAMES) for cell in DNN.cells())
    assert len(sample(1.1 * smallest).cells) == 1
    assert sample(0.9 * smallest).cells == ()
