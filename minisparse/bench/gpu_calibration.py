"""Calibrate the card at hand: its figures, then coefficients of what our kernels do on it.

The same problems and the same fit as for a CPU (:mod:`minisparse.bench.calibration`); operands lie
on the card, and calls are timed by events among many like them, as a plan makes them. Not yet run
on a GPU.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from minisparse.bench.calibration import (
    ALIKE,
    SEED,
    Calibration,
    Effort,
    Tell,
    fit_libraries,
    fit_machine,
)
from minisparse.bench.gpu.worker import FAILURES
from minisparse.bench.gpu_figures import measure_card
from minisparse.bench.on_card import ready_on_card
from minisparse.bench.problems import POINTWISE, Problem, build, draw_problem
from minisparse.bench.trials import Trial, samples_of, some_of_each_way
from minisparse.cost import MACHINES, Candidate, Machine, Target, candidates
from minisparse.cost.host import USUAL
from minisparse.gpu.timing import time_on_gpu
from minisparse.kernels import PROVIDERS

FULL, QUICK = Effort(75.0, 500, 1.0), Effort(20.0, 120, 0.3)
OPS = ("spmm", "sddmm", "spmv", "dsmm", "spmm")
"""Ops that are drawn, in turns."""
HALVES = 0.35
"""The share of products that are in float16: what tensor cores are for."""
FLOPS = 5e10
"""Floating-point operations at most that a problem takes dense."""
BUDGET = 0.03
"""Seconds of rounds of a problem's candidates."""

Call = Callable[[], Any]
Timer = Callable[[Sequence[Candidate], Sequence[Call]], Sequence[float]]
"""Returns the seconds that one call of each candidate takes."""


def time_calls(found: Sequence[Candidate], calls: Sequence[Call]) -> list[float]:
    """Return the median seconds of one call among many like it, by the card's clock."""
    names = {str(i): call for i, call in enumerate(calls)}
    taken = time_on_gpu(names, cold=False, rounds=7, budget=BUDGET)
    return [median(taken[name]) for name in names]


def calibrate_card(
    effort: Effort = FULL,
    name: str = "gpu",
    libraries: bool = True,
    tell: Tell = lambda part, what: None,
    seed: int = SEED,
    figures: Callable[[str, float], Machine] = measure_card,
    timer: Timer = time_calls,
) -> Calibration:
    """Return the current card as it was found.

    Parameters
    ----------
    effort : Effort
        :data:`FULL` or :data:`QUICK`. Kernels that were never compiled take most of it.
    name : str
        What to call the machine.
    libraries : bool
        Whether to measure the libraries for cards that are installed, too.
    tell : callable
        Told how far it is.
    seed : int
        Of the problems.
    figures : callable
        ``figures(name, slowness)`` measures the card's own figures.
    timer : callable
        What times candidates.
    """
    begin = time.monotonic()
    tell(0.0, "figures of the card")
    machine = figures(name, effort.slowness)
    lent = tuple(n for n, p in PROVIDERS.items() if p.place == "gpu" and p.is_installed)
    levels = ("vectorized", "gpu", *(lent if libraries else ()))
    trials = list(_measure(effort, machine, levels, tell, seed, timer))
    tell(0.97, "fitting")
    machine = fit_machine(machine, list(samples_of(trials, machine)))
    found = fit_libraries([t for t in trials if t.candidate.level in PROVIDERS])
    machine = replace(machine, libraries=found, like=MACHINES[USUAL])
    tell(1.0, "done")
    return Calibration(machine, len({t.number for t in trials}), time.monotonic() - begin)


def _measure(
    effort: Effort,
    machine: Machine,
    levels: tuple[str, ...],
    tell: Tell,
    seed: int,
    timer: Timer,
) -> Iterator[Trial]:
    """Yield trials of all ops until the time is up."""
    target = Target(machine, levels=levels, device="gpu")
    begin = time.monotonic()
    for number in range(effort.problems):
        done = (time.monotonic() - begin) / effort.seconds
        if done > 1 and number >= len(OPS):
            break
        rng = np.random.default_rng([seed, 2, number])
        ops = POINTWISE if number % 10 == 9 else OPS
        problem = draw_problem(rng, ops[number % len(ops)], fuse=False, flops=FLOPS)
        if problem.base in ("spmm", "dsmm") and rng.random() < HALVES:
            problem = problem._replace(dtype="float16")
        tell(0.1 + 0.85 * min(done, 1.0), str(problem))
        trials, left_out = measure_on_card(problem, number, target, rng, timer)
        for why in left_out:
            tell(0.1 + 0.85 * min(done, 1.0), why)
        yield from trials


def measure_on_card(
    problem: Problem, number: int, target: Target, rng: np.random.Generator, timer: Timer
) -> tuple[list[Trial], list[str]]:
    """Return a trial of some candidates of each way, and why others could not be timed.

    Parameters
    ----------
    problem, number : Problem, int
        What to compute, and which one it is.
    target : Target
        Machine and levels.
    rng : Generator
        Of the values, and of which candidates are left out.
    timer : callable
        What times them.
    """
    graph, operands = build(problem, rng)
    node = graph.node("node")
    found, made, left_out = [], [], []
    with np.errstate(all="ignore"):
        for c in some_of_each_way(candidates(graph, node, target), ALIKE, rng):
            try:
                one = ready_on_card(graph, node, c, operands)
                one.call()
            except FAILURES as error:
                left_out.append(f"{problem}: {c.name}: {' '.join(str(error).split())}")
                continue
            found.append(c)
            made.append(one)
        seconds = timer(found, [one.call for one in made])
    return [
        Trial(problem, number, c, s, one.packing, None, one.types)
        for c, s, one in zip(found, seconds, made, strict=True)
    ], left_out
