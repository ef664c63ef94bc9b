"""Measure every candidate of a problem, and keep what its price was made of."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minisparse.bench.problems import Problem, build
from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.cost import Candidate, Machine, Target, candidates
from minisparse.cost.coefficients import features
from minisparse.cost.model import Basis
from minisparse.cost.once import convert_name, convert_work, once_basis, prepare_names, prepare_work
from minisparse.cost.ready import bound, columns_of, convert, pack
from minisparse.formats import Matrix
from minisparse.graph import Graph, Node
from minisparse.kernels import PROVIDERS, Work, level_of

ROUNDS = 4
"""How often all candidates are asked in turn."""
TURN = 0.0015
"""A turn repeats a call for about so many seconds."""
MOST_CALLS = 30
SECOND_ROUNDS = 7
HOPELESS = 10.0
"""What takes so many times as long as the fastest is not timed any better."""
LONGEST = 0.3
"""Seconds that the turns of one problem take at most."""


Ways = Callable[[Graph, Node, Target], tuple[Candidate, ...]]


@dataclass(frozen=True)
class Trial:
    """One candidate of one problem, measured.

    Attributes
    ----------
    problem : Problem
        What was computed.
    number : int
        Which problem it was: its candidates are compared with each other.
    candidate : Candidate
        How.
    seconds : float
        The fastest call.
    prepare : float
        Seconds that packing the weight took.
    convert : float or None
        Seconds that bringing it into its format took; None where it was in it.
    types : tuple of TensorType
        Of the operands, the weight's as it is stored.
    again : float or None
        The median call of a second measurement, where there was one.
    """

    problem: Problem
    number: int
    candidate: Candidate
    seconds: float
    prepare: float
    convert: float | None
    types: tuple[TensorType, ...]
    again: float | None = None


def measure_problem(
    problem: Problem,
    number: int,
    target: Target,
    rng: np.random.Generator,
    alike: int = 0,
    ways: Ways = candidates,
    again: int = 0,
) -> list[Trial]:
    """Return a trial of each candidate, timed in turns.

    Parameters
    ----------
    problem, number : Problem, int
        What to compute, and which one it is.
    target : Target
        Machine and levels.
    rng : Generator
        Of the values, and of which candidates are left out.
    alike : int
        At most so many candidates that compute in the same way are timed; 0 for all.
    ways : callable
        What lists the candidates: cheapest first, or the one that is chosen first.
    again : int
        How many of the fastest are measured a second time, the first and the dense one besides.
    """
    graph, operands = build(problem, rng)
    node = graph.node("node")
    found = ways(graph, node, target)
    if alike:
        found = some_of_each_way(found, alike, rng)
    at, types = node.op.base.weight, graph.operand_types(node)
    calls: list[Callable[[], Any]] = []
    once: list[tuple[float, float | None]] = []
    stored: list[tuple[TensorType, ...]] = []
    for candidate in found:
        packing, preparing, own, given = 0.0, None, types, list(operands)
        if at is not None:
            columns = columns_of(types[at], graph.types[node.output])
            weight, converting = _timed(partial(convert, graph, node, candidate, operands[at]))
            given[at], packing = _timed(partial(pack, candidate, weight, columns))
            preparing = None if weight is operands[at] else converting
            if isinstance(weight, Matrix):
                own = (*types[:at], weight.type, *types[at + 1 :])
        calls.append(bound(graph, node, candidate, given))
        once.append((packing, preparing))
        stored.append(own)
    with np.errstate(all="ignore"):
        fastest = _turns(calls)
        second = _second(calls, fastest, found, again) if again else [None] * len(found)
    return [
        Trial(problem, number, *rest)
        for rest in zip(found, fastest, *zip(*once, strict=True), stored, second, strict=True)
    ]


def _second(
    calls: Sequence[Callable[[], Any]],
    fastest: Sequence[float],
    found: Sequence[Candidate],
    count: int,
) -> list[float | None]:
    """Return the median turn of some calls, timed once more and longer; None of the others."""
    chosen = {0, *np.argsort(fastest)[:count].tolist()}
    chosen |= {i for i, c in enumerate(found) if c.layout.format == "dense"}
    turns: dict[int, list[float]] = {i: [] for i in chosen}
    for _ in range(SECOND_ROUNDS):
        for i, some in turns.items():
            some.append(_turn(calls[i], fastest[i]))
    return [float(np.median(turns[i])) if i in turns else None for i in range(len(calls))]


def some_of_each_way(
    found: Sequence[Candidate], alike: int, rng: np.random.Generator
) -> tuple[Candidate, ...]:
    """Return a few candidates of each way, by chance, in their order."""
    ways: dict[object, list[int]] = {}
    for i, c in enumerate(found):
        ways.setdefault((c.level, c.basis.names if c.basis else i), []).append(i)
    kept = [rng.permutation(some)[:alike] for some in ways.values()]
    return tuple(found[i] for i in sorted(np.concatenate(kept).tolist()))


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = call()
    return found, time.perf_counter() - start


def _turns(calls: Sequence[Callable[[], Any]]) -> list[float]:
    """Return the fastest call of each, those that are far behind asked less often."""
    best = [min(_timed(call)[1], _timed(call)[1]) for call in calls]
    begin = time.perf_counter()
    for turn in range(ROUNDS):
        if turn > 1 and time.perf_counter() - begin > LONGEST:
            break
        leader = min(best)
        for i, call in enumerate(calls):
            if best[i] <= HOPELESS * leader:
                best[i] = min(best[i], _turn(call, best[i]))
    return best


def _turn(call: Callable[[], Any], typical: float) -> float:
    """Return the fastest of some calls."""
    wanted = int(TURN / max(typical, 1e-9))
    return min(_timed(call)[1] for _ in range(min(MOST_CALLS, max(1, wanted))))


@dataclass(frozen=True)
class Sample:
    """What coefficients are fitted to: some work, and how long it took.

    Attributes
    ----------
    name, level, unit : str
        For what they are: see :attr:`minisparse.cost.Machine.coefficients`.
    number : int
        Which problem it belongs to.
    counts : ndarray
        As :func:`minisparse.cost.coefficients.features` returns them.
    seconds : float
        Measured.
    """

    name: str
    level: str
    unit: str
    number: int
    counts: Array
    seconds: float


def samples_of(trials: Iterable[Trial], machine: Machine) -> Iterator[Sample]:
    """Yield what trials tell of kernels, packings and conversions; nothing of libraries."""
    for t in trials:
        c = t.candidate
        if c.level in PROVIDERS:
            continue
        if c.basis is not None:
            yield _sample(t, c.basis.names[0], c.level, c.work, c.basis, t.seconds, machine)
        at = c.kernel.op.weight
        if at is None or c.layout.format == "dense":
            continue
        weight = t.types[at]
        dense = TensorType(weight.shape, weight.dtype)
        if t.convert is not None:
            name, work = convert_name(dense, weight), convert_work(dense, weight)
            yield _sample(t, name, "convert", work, once_basis(work), t.convert, machine)
        if level_of(c.kernel, c.level).prepare is not None:
            work = prepare_work(weight)
            for name in prepare_names(c.kernel, c.work):
                yield _sample(t, name, "prepare", work, once_basis(work), t.prepare, machine)


def _sample(
    trial: Trial, name: str, level: str, work: Work, basis: Basis, seconds: float, machine: Machine
) -> Sample:
    scale = machine.scale(basis.dtype, work.unit, basis.footprint, basis.reach)
    return Sample(name, level, work.unit, trial.number, features(work, scale), seconds)
