"""The ways to multiply a matrix of one case: what they should cost, and what they do.

A way is a candidate of dispatch: a layout and a level. It is packed once and called as a plan calls
it. All ways and the dense product take turns within a round, so that whatever else the machine does
falls on all of them; what is told are ratios within rounds.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from statistics import median

import numpy as np

from minisparse.bench.breakeven_cases import Case, Drawn, draw
from minisparse.bench.breakeven_fit import Sample
from minisparse.bench.on_card import ready_on_card, seconds_on_card
from minisparse.bench.products import sum_tolerance
from minisparse.bench.turns import turn
from minisparse.bench.worker import fault_of
from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import DENSE
from minisparse.core.xp import to_device
from minisparse.cost import Candidate, Target, candidates
from minisparse.cost.ready import ready
from minisparse.formats import find_pattern
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels.blas import controls, thread_count

MARK = 0.97
"""Faster than dense means in at most so much of its time. Where much is stored, our kernels come
down to the dense product, and of two that do the same either is the faster one by chance."""
SAME_PACKING = ("coo", "csc")
"""Formats whose kernels pack what CSR's does: they are tried where they are asked for."""
_MOST_WAYS, _HOPELESS = 4, 2.5
"""Ways that are timed, and by what factor they may be predicted to be slower than the best."""
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 9
_BEATEN = 1.3
"""A way that has taken so many times what the best takes is not asked any more."""
_FAR = 1.5
"""Rounds that all lie on one side, in the middle by this factor, are enough."""
_EXACT = 1e-6
"""Seconds to which a clock has to be exact."""
_PAUSE = 0.002
"""Seconds between turns, in which the threads of the one before fall asleep."""

NO_WAY = 1e6
"""The ratio that stands for a density at which there is no sparse way."""

Call = Callable[[], object]
Timed = Callable[[Call, float], float]


@dataclass(frozen=True)
class Visit:
    """What was measured at one density.

    Attributes
    ----------
    density : float
        Of the matrix that was drawn.
    predicted : float
        The best sparse way's time over dense, as priced.
    best : str
        The sparse way that took least; empty if there was none.
    ratios : mapping
        From ways to their times over dense, one a round; those that are far behind have fewer.
    faults : mapping
        From ways to what was wrong with their results, or kept them from having one.
    """

    density: float
    predicted: float
    best: str
    ratios: Mapping[str, tuple[float, ...]]
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def sample(self) -> Sample:
        """The ratios of the best way; infinitely slow ones, if there is none."""
        return Sample(self.density, self.ratios.get(self.best, (NO_WAY,)))


@dataclass(frozen=True)
class Ways:
    """Among which ways a case is computed.

    Attributes
    ----------
    target : Target
        The machine that prices are for, and the levels.
    only : str
        A format or a layout, with or without a level: ``"csr"``, ``"bsr 16x16"``, ``"csr scipy"``;
        empty: all.
    """

    target: Target
    only: str = ""

    def offers(self, candidate: Candidate) -> bool:
        """Tell whether a candidate is one of these, and sparse."""
        if candidate.layout == DENSE:
            return False
        names = candidate.layout.format, str(candidate.layout), candidate.name
        short = f"{candidate.layout.format} {candidate.level}"
        return self.only in (*names, short) if self.only else names[0] not in SAME_PACKING


def one_node(case: Case, drawn: Drawn) -> Graph:
    """Return the graph of the one product, the matrix's pattern noted."""
    builder = GraphBuilder("product")
    a = builder.constant("a", drawn.a)
    c = builder.op("spmm", a, builder.input("b", drawn.b.shape, case.dtype))
    return replace(builder.build({"c": c}), patterns={"a": find_pattern(drawn.a)})


def price_ways(graph: Graph, ways: Ways) -> tuple[Candidate, list[Candidate]]:
    """Return the dense candidate, and the sparse ones among which there is the choice.

    The cheaper ones come first.
    """
    found = candidates(graph, graph.nodes[0], ways.target)
    dense = next(c for c in found if c.layout == DENSE)
    return dense, [c for c in found if ways.offers(c)]


def predicted_ratio(case: Case, density: float, ways: Ways, seed: int) -> float:
    """Return the price of the best sparse way over that of dense; very large if there is none."""
    drawn = draw(case, density, np.random.default_rng([seed, round(density * 1e6)]))
    dense, sparse = price_ways(one_node(case, drawn), ways)
    return sparse[0].seconds / dense.seconds if sparse else NO_WAY


def visit(case: Case, drawn: Drawn, ways: Ways, seconds: float) -> Visit:
    """Check and time the ways that seem good, and dense, for about some seconds."""
    graph = one_node(case, drawn)
    dense, sparse = price_ways(graph, ways)
    predicted = sparse[0].seconds / dense.seconds if sparse else NO_WAY
    calls: dict[str, Call] = {}
    faults: dict[str, str] = {}
    device = ways.target.device
    expected = drawn.a.astype(np.float64) @ drawn.b
    for candidate in (dense, *shortlist(sparse)):
        call, fault = tried(candidate, graph, drawn, expected, device)
        if call is None:
            faults[candidate.name] = fault
        else:
            calls[candidate.name] = call
    timing = partial(time_rounds, timed=seconds_on_card) if device == "gpu" else time_rounds
    ratios = timing(calls, dense.name, seconds) if dense.name in calls else {}
    rounds = max(map(len, ratios.values()), default=0)
    lasting = [name for name in ratios if len(ratios[name]) == rounds]
    best = min(lasting, key=lambda name: median(ratios[name]), default="")
    return Visit(drawn.density, predicted, best, ratios, faults)


def tried(
    candidate: Candidate, graph: Graph, drawn: Drawn, expected: Array, device: str = "cpu"
) -> tuple[Call | None, str]:
    """Return a candidate's call if its result is right, else what is wrong."""
    try:
        call = _ready(candidate, graph, drawn, device)
        with np.errstate(all="ignore"):
            result = np.asarray(to_device(call(), "cpu"))
    except MinisparseError as error:  # a library may refuse what it cannot do
        return None, f"{type(error).__name__}: {error}"[:300]
    terms = np.array([drawn.a.shape[1]])
    fault = fault_of(result, expected, sum_tolerance(terms, drawn.b.dtype.name))
    return (None, fault) if fault else (call, "")


def _ready(candidate: Candidate, graph: Graph, drawn: Drawn, device: str) -> Call:
    """Return a candidate's call where it is to be computed."""
    node, operands = graph.nodes[0], (drawn.a, drawn.b)
    if device == "gpu":
        return ready_on_card(graph, node, candidate, operands).call
    return ready(graph, node, candidate, operands, drawn.b.shape[1])


def shortlist(sparse: list[Candidate]) -> list[Candidate]:
    """Return the cheapest ways, at most two of one format and level."""
    chosen: list[Candidate] = []
    for candidate in sparse:
        kind = candidate.layout.format, candidate.level
        alike = sum((c.layout.format, c.level) == kind for c in chosen)
        hopeless = candidate.seconds > _HOPELESS * sparse[0].seconds
        if alike < 2 and not hopeless and len(chosen) < _MOST_WAYS:
            chosen.append(candidate)
    return chosen


def time_rounds(
    calls: Mapping[str, Call],
    dense: str,
    seconds: float,
    mark: float = MARK,
    timed: Timed | None = None,
) -> dict[str, tuple[float, ...]]:
    """Return the times of calls over that of the dense one, round by round.

    Parameters
    ----------
    calls : mapping
        What each way calls, dense among them.
    dense : str
        Its name.
    seconds : float
        After which no round is begun, once there are three.
    mark : float
        Rounds that are all far from it on one side are not repeated.
    timed : callable, optional
        ``timed(call, typical)`` returns the seconds of a turn of a call that usually takes so many;
        by default of this process.
    """
    timed = timed or _seconds_here
    ratios: dict[str, tuple[float, ...]] = {name: () for name in calls if name != dense}
    typical = dict.fromkeys(calls, 0.0)
    playing, begin = list(calls), time.monotonic()
    with np.errstate(all="ignore"):
        for i in range(_MOST_ROUNDS):
            if i >= _LEAST_ROUNDS and (
                time.monotonic() - begin > seconds or _is_far(ratios, playing, mark)
            ):
                break
            for name in playing[i % len(playing) :] + playing[: i % len(playing)]:
                time.sleep(_PAUSE)
                typical[name] = timed(calls[name], typical[name])
            for name in set(playing) - {dense}:
                ratios[name] = (*ratios[name], typical[name] / typical[dense])
            if i:
                playing = _still_playing(playing, ratios, dense)
    return ratios


def _seconds_here(call: Call, typical: float) -> float:
    return turn(call, typical, _clock())


@cache
def _clock() -> Callable[[], float]:
    """Return this process's own time where BLAS, and so we, take one thread for sure.

    What a thread computes is the time that it had a core; what others did meanwhile is not in it.
    """
    exact = time.get_clock_info("process_time").resolution <= _EXACT
    alone = exact and controls() is not None and thread_count() == 1
    return time.process_time if alone else time.perf_counter


def _still_playing(
    playing: list[str], ratios: Mapping[str, tuple[float, ...]], dense: str
) -> list[str]:
    fastest = {name: min(ratios[name]) for name in playing if name != dense}
    limit = _BEATEN * min(fastest.values(), default=0.0)
    return [name for name in playing if name == dense or fastest[name] <= limit]


def _is_far(ratios: Mapping[str, tuple[float, ...]], playing: list[str], mark: float) -> bool:
    """Tell whether the best way is faster, or all are slower, beyond any doubt."""
    rounds: list[Array] = [np.array(ratios[name]) / mark for name in playing if name in ratios]
    best = min(rounds, key=np.median, default=np.ones(1))
    middle = np.median(best)
    return bool((middle < 1 / _FAR and best.max() < 1) or (middle > _FAR and best.min() > 1))
