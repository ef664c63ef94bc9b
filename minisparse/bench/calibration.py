"""Calibrate: measure the machine at hand, fit coefficients to it, and tell how good they are.

Problems are drawn from a seed, candidates of each are timed, and what the kernels' own accounts
count is fitted to it: see :mod:`minisparse.cost.fitting`. Everything is bounded by a time, so that
a slow machine measures fewer problems and not longer.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from minisparse.bench.figures import measure_machine
from minisparse.bench.problems import OPS_DRAWN, POINTWISE, draw_problem
from minisparse.bench.trials import Sample, Trial, measure_problem, samples_of
from minisparse.bench.verdict import WITHIN
from minisparse.cost import MACHINES, Machine, Target
from minisparse.cost.coefficients import Coefficients, Fit
from minisparse.cost.fitting import cross_validate, factors, fit
from minisparse.cost.host import USUAL
from minisparse.cost.library_speeds import LibrarySpeed
from minisparse.kernels import PROVIDERS, usable_levels

SEED = 20_000_000
"""Problems to fit to are drawn from this one and those after it; no benchmark uses them."""
LEAST = 6
"""Problems at least that coefficients are fitted to."""
ALIKE = 2
"""So many candidates of a problem are measured that compute in the same way."""
FLOPS = 5e8
"""Floating-point operations at most that a problem takes dense: more take longer, and tell no
more."""


class Effort(NamedTuple):
    """How long calibration takes.

    Attributes
    ----------
    seconds : float
        For kernels; those for pointwise ops and libraries are parts of it.
    problems : int
        At most.
    slowness : float
        As :func:`~minisparse.bench.figures.measure_machine` takes it.
    """

    seconds: float
    problems: int
    slowness: float


FULL, QUICK = Effort(42.0, 600, 1.0), Effort(9.0, 120, 0.3)
Tell = Callable[[float, str], None]
"""Told which part of the work is done, from 0 to 1, and what comes now."""


@dataclass(frozen=True)
class Calibration:
    """A machine with its coefficients, and for what each of them is.

    Attributes
    ----------
    machine : Machine
        As it was measured.
    problems : int
        How many were measured.
    seconds : float
        How long all of it took.
    """

    machine: Machine
    problems: int
    seconds: float


def calibrate(
    effort: Effort = FULL,
    name: str = "cpu",
    libraries: bool = True,
    tell: Tell = lambda part, what: None,
    seed: int = SEED,
) -> Calibration:
    """Return this machine as it was found.

    Parameters
    ----------
    effort : Effort
        :data:`FULL` or :data:`QUICK`.
    name : str
        What to call the machine.
    libraries : bool
        Whether to measure the libraries that are installed, too.
    tell : callable
        Told how far it is.
    seed : int
        Of the problems.
    """
    begin = time.monotonic()
    tell(0.0, "figures of the machine")
    machine = measure_machine(name, effort.slowness)
    trials = list(_measure(effort, machine, tell, seed))
    tell(0.85, "libraries")
    here = tuple(n for n, p in PROVIDERS.items() if p.is_installed) if libraries else ()
    lent = list(_measure_lent(effort, machine, here, seed)) if here else []
    tell(0.97, "fitting")
    machine = fit_machine(machine, list(samples_of(trials, machine)))
    found = fit_libraries(lent)
    shipped = MACHINES[USUAL]
    if name == USUAL:  # it is that one, measured again
        machine = replace(machine, libraries={**shipped.libraries, **found})
    else:
        machine = replace(machine, libraries=found, like=shipped)
    tell(1.0, "done")
    return Calibration(machine, len({t.number for t in trials}), time.monotonic() - begin)


def _measure(effort: Effort, machine: Machine, tell: Tell, seed: int) -> Iterator[Trial]:
    """Yield trials of all ops until the time is up, those of pointwise ops first."""
    target = Target(machine, levels=usable_levels("vectorized"))
    begin = time.monotonic()
    number = 0
    for share, ops in ((0.1, POINTWISE), (1.0, tuple(OPS_DRAWN))):
        end = begin + share * effort.seconds
        for count in range(effort.problems):
            if time.monotonic() > end and count >= len(ops):
                break
            rng = np.random.default_rng([seed, number])
            op = ops[count % len(ops)] if ops is POINTWISE or count < 2 * len(ops) else ""
            problem = draw_problem(rng, op, fuse=False, flops=FLOPS)
            done = (time.monotonic() - begin) / effort.seconds
            tell(0.1 + 0.75 * min(done, 1.0), str(problem))
            yield from measure_problem(problem, number, target, rng, alike=ALIKE)
            number += 1


def _measure_lent(
    effort: Effort, machine: Machine, levels: tuple[str, ...], seed: int
) -> Iterator[Trial]:
    """Yield trials of libraries' kernels."""
    target = Target(machine, levels=levels)
    end = time.monotonic() + 0.2 * effort.seconds
    for number in range(effort.problems):
        if time.monotonic() > end:
            break
        rng = np.random.default_rng([seed, 1, number])
        op = ("spmm", "spmv", "spmm")[number % 3]
        problem = draw_problem(rng, op, fuse=False, flops=FLOPS)
        yield from measure_problem(problem, number, target, rng)


def fit_machine(machine: Machine, samples: Sequence[Sample]) -> Machine:
    """Return a machine with the coefficients that samples tell."""
    groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.name, sample.level].append(sample)
    found = {}
    for names, some in sorted(groups.items()):
        coefficients = fit_samples(machine, some)
        if coefficients is not None:
            found[names] = coefficients
    return replace(machine, coefficients=found)


def fit_samples(machine: Machine, samples: Sequence[Sample]) -> Coefficients | None:
    """Return the coefficients of one way of computing, None where there are too few problems."""
    groups = np.array([s.number for s in samples])
    problems = len(np.unique(groups))
    if problems < LEAST:
        return None
    counts = np.array([s.counts for s in samples])
    seconds = np.array([s.seconds for s in samples])
    usual = machine.usual(samples[0].unit).vector
    off = factors(cross_validate(counts, seconds, usual, groups), seconds)
    told = Fit(problems, float(np.median(off)), float(np.mean(off <= WITHIN)))
    return Coefficients.of_vector(fit(counts, seconds, usual), told)


def fit_libraries(trials: Sequence[Trial]) -> dict[tuple[str, str, str], LibrarySpeed]:
    """Return how fast libraries' kernels are; of blocks, all sizes and each by itself."""
    groups: dict[tuple[str, str, str], list[Trial]] = defaultdict(list)
    for t in trials:
        c = t.candidate
        op = c.kernel.op.name
        for format in {c.layout.format, str(c.layout)}:
            groups[c.level, op, format].append(t)
    found = {}
    for names, some in sorted(groups.items()):
        single = [t for t in some if t.problem.dtype == "float32"]
        if len({t.number for t in single}) >= LEAST:
            found[names] = _fit_library(single, [t for t in some if t not in single])
    return found


def _fit_library(single: Sequence[Trial], double: Sequence[Trial]) -> LibrarySpeed:
    counts = np.array([_library_counts(t) for t in single])
    seconds = np.array([t.seconds for t in single])
    vector = all(t.problem.base == "spmv" for t in single)
    usual = np.array([5e-6, 1e-9, 5e-10, 0 if vector else 5e-11, 0 if vector else 5e-11])
    call, row, entry, product, element = (float(x) for x in fit(counts, seconds, usual))
    speed = LibrarySpeed(
        call * 1e6, row * 1e9, entry * 1e9, product * 1e9, element * 1e9, double=1.0
    )
    ratios = [_double(speed, t) for t in double]
    return replace(speed, double=float(np.median(ratios)) if ratios else 1.5)


def _library_counts(t: Trial) -> tuple[float, ...]:
    """Return what a library's speed is multiplied with: call, rows, entries, products, elements."""
    a, n = t.types[0], t.problem.columns
    m, k = a.dims
    vector = t.problem.base == "spmv"
    products, elements = (0.0, 0.0) if vector else (float(a.nnz * n), float((m + k) * n))
    return 1.0, float(m), float(a.nnz), products, elements


def _double(speed: LibrarySpeed, t: Trial) -> float:
    """Return how many times as long a float64 product took as one of float32 would."""
    work = speed.seconds(t.types, np.dtype(np.float32)) - speed.call * 1e-6
    return float(np.clip((t.seconds - speed.call * 1e-6) / max(work, 1e-9), 1.0, 4.0))
