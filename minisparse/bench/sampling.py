"""Which cells of a suite are timed: a balanced sample that fits into the time that there is.

All cells of a suite would take days. What is drawn is the same for the same seed and budget, and
balanced: pairs of pattern and density take turns, those that a promise is about twice as often;
of a pair's cells the one is next whose shape, columns and dtype the sample has had least. Two of
three cells of a pair are such as promises count. Cells that would take too large a part of the
budget are never drawn.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minisparse.bench.suite import Cell, Suite

_ROUNDS, _SLOW_ROUNDS = 5, 3
"""So many rounds are expected of a cell; of one whose rounds take long, the fewer."""
_LONG_ROUND = 0.3
_AT_LEAST = 1.5
"""Cells are never too large that take at most so many times what the smallest takes."""


class Sample(NamedTuple):
    """What to time.

    Attributes
    ----------
    cells : tuple of Cell
        In the order in which to time them: an early end leaves them balanced.
    seconds : float
        About how long they take.
    population : int
        How many cells there are of the wanted kind.
    too_large : int
        How many of them take too large a part of the budget.
    """

    cells: tuple[Cell, ...]
    seconds: float
    population: int
    too_large: int


def draw(
    suite: Suite, cells: Sequence[Cell], contenders: Sequence[str], budget: float, seed: int
) -> Sample:
    """Return a balanced sample of some cells of a suite.

    Parameters
    ----------
    suite : Suite
        Whose cells they are.
    cells : sequence of Cell
        To choose from.
    contenders : sequence of str
        Names of those who will be asked.
    budget : float
        Seconds for all of it.
    seed : int
        Of the order among equals.
    """
    seconds = {cell: predict(suite, cell, contenders) for cell in cells}
    limit = max(budget * suite.largest_part, _AT_LEAST * min(seconds.values(), default=0.0))
    small = [cell for cell in cells if seconds[cell] <= limit]
    order = [small[i] for i in np.random.default_rng(seed).permutation(len(small))]
    chosen: list[Cell] = []
    total = 0.0
    for cell in _in_turns(suite, order):
        if total + seconds[cell] > budget:
            if chosen:
                break
            continue
        chosen.append(cell)
        total += seconds[cell]
    return Sample(tuple(chosen), total, len(cells), len(cells) - len(small))


def predict(suite: Suite, cell: Cell, contenders: Sequence[str]) -> float:
    """Return about how many seconds a cell takes: making it, trying all, and the rounds.

    A call that is fast is made twice a turn and more, so that turns have a least length.
    """
    costs = suite.cost(cell)
    able = [c.name for c in suite.contenders if c.name in contenders and c.takes(cell)]
    calls = [costs.get(name, 0.0) for name in able]
    turns = sum(max(4 * c if c < 0.02 else c, 0.006) for c in calls)
    rounds = _ROUNDS if turns < _LONG_ROUND else _SLOW_ROUNDS
    return suite.setup(cell) + 2 * sum(calls) + rounds * turns


def _in_turns(suite: Suite, order: Sequence[Cell]) -> Iterator[Cell]:
    """Yield cells pair by pair, each time the one that brings what the sample lacks most."""
    waiting: dict[tuple[str, float], list[Cell]] = {}
    for cell in order:
        waiting.setdefault(cell.pair, []).append(cell)
    used: Counter[object] = Counter()
    while any(waiting.values()):
        for pair, cells in waiting.items():
            for _ in range(_visits(suite, cells)):
                if cells:
                    cell = _next(suite, pair, cells, used)
                    cells.remove(cell)
                    yield cell


def _visits(suite: Suite, cells: Sequence[Cell]) -> int:
    promised = any(promise.covers(cell) for cell in cells[:1] for promise in suite.promises)
    return 2 if promised else 1


def _next(
    suite: Suite, pair: tuple[str, float], cells: Sequence[Cell], used: "Counter[object]"
) -> Cell:
    """Return a pair's next cell, and count it as used."""
    counts = used[pair] % 3 < 2
    fitting = [cell for cell in cells if suite.counts(cell) == counts] or cells
    cell = min(fitting, key=lambda c: sum(used[key] for key in _keys(c)))
    used.update([pair, *_keys(cell)])
    return cell


def _keys(cell: Cell) -> tuple[object, ...]:
    """Return what is to be balanced: each factor by itself, and within the pair."""
    factors = (("shape", cell.shape), ("columns", cell.columns), ("dtype", cell.dtype))
    return (*factors, *((cell.pair, factor) for factor in factors))
