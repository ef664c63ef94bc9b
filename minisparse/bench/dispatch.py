"""How good the choice is: every candidate of random problems is measured, and compared.

*Regret* is the time of the candidate that is chosen over that of the fastest. Problems are drawn
from a seed, none of which calibration uses.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from minisparse.bench.calibration import SEED
from minisparse.bench.dispatch_crossing import LINES, Crossing, find_crossing
from minisparse.bench.problems import Problem, draw_problem
from minisparse.bench.trials import Trial, measure_problem
from minisparse.core.errors import UsageError
from minisparse.cost import Machine, Target, rank
from minisparse.cost.fitting import factors

REGRET, REGRET_95, SLOWER, WITHIN, BREAK_EVEN, COMPILE = 1.05, 1.3, 1.05, 1.5, 1.25, 1.0
"""The limits: regret, its geometric mean and 95th percentile; the median of chosen over dense; by
which factor 9 of 10 predictions may be off; likewise break-even; seconds to compile 100 nodes."""
SHARE = 0.9
AGAIN = 3
"""So many of the fastest are timed again, together with the chosen and the dense one."""


@dataclass(frozen=True)
class Choice:
    """One problem: its candidates, in the order of their predicted times.

    Attributes
    ----------
    problem : Problem
        What was computed.
    trials : tuple of Trial
        The chosen one first.
    """

    problem: Problem
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The fastest of those that were timed for long."""
        timed = [t for t in self.trials if t.again is not None] or self.trials
        return min(timed, key=_again)

    @property
    def regret(self) -> float:
        """Time of the chosen one over that of the fastest.

        Of many that take the same time one is the fastest by chance, so both times are of a second
        measurement, for which the first only selects.
        """
        return _again(self.trials[0]) / _again(self.best)

    @property
    def over_dense(self) -> float | None:
        """Time of the chosen one over that of the dense one; None where that is no candidate."""
        dense = [t for t in self.trials if t.candidate.layout.format == "dense"]
        return _again(self.trials[0]) / _again(dense[0]) if dense else None


def _again(trial: Trial) -> float:
    return trial.again or trial.seconds


@dataclass(frozen=True)
class Findings:
    """All that was measured.

    Attributes
    ----------
    machine : Machine
        For which candidates were priced.
    seed : int
        Of the problems.
    choices : tuple of Choice
        One for each problem.
    crossings : tuple of Crossing
        One for each of :data:`LINES`.
    compile_seconds : float
        For a model of 100 nodes, packing left out.
    """

    machine: Machine
    seed: int
    choices: tuple[Choice, ...]
    crossings: tuple[Crossing, ...]
    compile_seconds: float

    @property
    def regrets(self) -> tuple[float, float, float]:
        """The geometric mean of regrets, their 95th percentile, and the worst."""
        found = np.array([c.regret for c in self.choices])
        mean = float(np.exp(np.log(found).mean()))
        return mean, float(np.quantile(found, 0.95)), float(found.max())

    @property
    def over_dense(self) -> tuple[float, float, float]:
        """Chosen over dense: the median, the worst, and the share slower by more than 5 %."""
        found = np.array([x for x in (c.over_dense for c in self.choices) if x is not None])
        return float(np.median(found)), float(found.max()), float(np.mean(found > SLOWER))

    def within(self, chosen: bool) -> float:
        """Return the share of candidates that are predicted within a factor of 1.5.

        Parameters
        ----------
        chosen : bool
            Whether only those count that were chosen, or all.
        """
        some = [t for c in self.choices for t in (c.trials[:1] if chosen else c.trials)]
        off = factors(
            np.array([t.candidate.seconds for t in some]), np.array([t.seconds for t in some])
        )
        return float(np.mean(off <= WITHIN))

    @property
    def crossings_within(self) -> float:
        """The share of break-even densities that are predicted within a factor of 1.25."""
        return float(np.mean([c.factor <= BREAK_EVEN for c in self.crossings]))


def measure_dispatch(
    target: Target,
    cells: int,
    seed: int,
    lines: int = len(LINES),
    tell: Callable[[str], None] = lambda what: None,
) -> Findings:
    """Measure so many random problems, some break-even densities, and how long compiling takes.

    Parameters
    ----------
    target : Target
        Machine and levels.
    cells : int
        How many problems.
    seed : int
        They are drawn from it.
    lines : int
        How many of :data:`LINES` are looked at.
    tell : callable
        Told what comes now.

    Raises
    ------
    UsageError
        If the seed is the one whose problems calibration fits to.
    """
    if seed == SEED:
        raise UsageError(f"--seed {seed}: problems of this seed are what calibration fits to")
    choices = tuple(_choices(target, cells, seed, tell))
    crossings = tuple(find_crossing(target, line, seed, tell) for line in LINES[:lines])
    tell("compiling")
    return Findings(target.machine, seed, choices, crossings, compile_time(target))


def _choices(
    target: Target, cells: int, seed: int, tell: Callable[[str], None]
) -> Iterator[Choice]:
    for number in range(cells):
        rng = np.random.default_rng([seed, number])
        problem = draw_problem(rng)
        tell(f"{number + 1}/{cells} {problem}")
        yield Choice(
            problem, tuple(measure_problem(problem, number, target, rng, ways=rank, again=AGAIN))
        )


def compile_time(target: Target, nodes: int = 100, repeats: int = 3) -> float:
    """Return the seconds that compiling a model of pruned layers takes, packing left out.

    Parameters
    ----------
    target : Target
        Machine and levels.
    nodes : int
        How many the model has: products, and a ReLU after each.
    repeats : int
        The fastest of so many counts.
    """
    from minisparse.api import compile_for
    from minisparse.graph import GraphBuilder

    rng = np.random.default_rng(0)
    b = GraphBuilder("layers")
    h = b.input("x", (256, 64))
    for i in range(nodes // 2):
        w = rng.standard_normal((256, 256)).astype("float32")
        w[rng.random(w.shape) < 0.5 + 0.01 * i] = 0
        h = b.op("relu", b.op("spmm", b.constant(f"w{i}", w), h))
    graph = b.build({"y": h})
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        plan = compile_for(graph, target)
        seconds = time.perf_counter() - start
        taken.append(seconds - sum(step.prepare_seconds for step in plan.steps))
    return min(taken)
