"""What each pass earns: models compiled with all passes, and again without each of them.

A pass may prepare what another one uses, so what is lost without it is not what it does alone; for
that see the waterfall of ``minisparse evaluate --passes``. Here the question is which pass could
be left out, and for which model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from minisparse import examples
from minisparse.api import compile_for
from minisparse.bench.pass_models import BUILT
from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError
from minisparse.cost import Target
from minisparse.dispatch.memory_plan import PLAN_MEMORY
from minisparse.evaluation.waterfall import what_runs
from minisparse.graph import Graph, load
from minisparse.passes import ON_REQUEST, PASSES
from minisparse.runtime import Executable, Timing, measure, predict_peak

EVERY = (*PASSES, *ON_REQUEST, PLAN_MEMORY)
"""Names of all passes, those that run on request among them, and of what comes after them."""
ROUNDS, QUICK_ROUNDS = 11, 5
BATCH = 16
SECONDS = 20.0
"""That the rounds of one model take at most."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Effect:
    """What leaving one pass out does to one model.

    Attributes
    ----------
    model, name : str
        Of the model and of the pass.
    changes : bool
        Whether anything that runs is another without it.
    whole, without : Timing or None
        Seconds of a run with all passes, and without this one; None where nothing changes, or the
        model cannot run without it.
    weights, values : int
        How many more bytes the weights take without it, and the values that are alive at once.
    needed : str
        Why the model cannot run without it; empty where it can.
    """

    model: str
    name: str
    changes: bool
    whole: Timing | None = None
    without: Timing | None = None
    weights: int = 0
    values: int = 0
    needed: str = ""

    @property
    def ratio(self) -> float:
        """Time without the pass over the time with it: above 1 it pays."""
        return self.without.median / self.whole.median if self.whole and self.without else 1.0

    @property
    def verdict(self) -> str:
        """``"pays"``, ``"costs"``, ``"no difference"``, ``"needed"`` or ``"nothing to do"``."""
        if self.needed:
            return "needed"
        if not self.changes or self.whole is None or self.without is None:
            return "nothing to do"
        if self.whole.is_below(self.without):
            return "pays"
        return "costs" if self.without.is_below(self.whole) else "no difference"


def model_names(quick: bool = False) -> tuple[str, ...]:
    """Return the models: those shipped, and networks of well-known shapes unless in haste."""
    return (*examples.names(), *(() if quick else BUILT))


def measure_passes(
    names: Sequence[str], target: Target, batch: int, rounds: int, tell: Tell
) -> Iterator[Effect]:
    """Yield the effect of each pass on each model.

    Parameters
    ----------
    names : sequence of str
        Of models: see :func:`model_names`.
    target : Target
        What they are compiled for.
    batch, rounds : int
        Items of a run; how often each plan is run.
    tell : callable
        Told what comes now.
    """
    for name in names:
        tell(f"{name}: compiling")
        graph = BUILT[name]() if name in BUILT else load(examples.model_path(name))
        yield from _effects(name, graph, target, batch, rounds, tell)


def _effects(
    model: str, graph: Graph, target: Target, batch: int, rounds: int, tell: Tell
) -> Iterator[Effect]:
    sizes = dict.fromkeys(graph.symbols, batch)
    goal = replace(target, sizes=sizes)
    plans: dict[str, Executable] = {}
    faults: dict[str, str] = {}
    for name in ("", *EVERY):
        try:
            plans[name] = compile_for(graph, goal, *_passes(name))
        except MinisparseError as error:
            faults[name] = str(error)
    doing = {name: (what_runs(p), _stored(p), p.in_arena) for name, p in plans.items()}
    changed = [name for name in plans if name and doing[name] != doing[""]]
    tell(f"{model}: {len(changed)} passes")
    feeds = _feeds(graph, sizes)
    runs = {name: partial(plans[name].run, feeds) for name in ("", *changed)}
    timings = measure(runs, rounds=rounds, budget=SECONDS)
    for name in EVERY:
        if name in faults:
            yield Effect(model, name, True, needed=faults[name])
        elif name not in changed:
            yield Effect(model, name, False)
        else:
            yield Effect(
                model,
                name,
                True,
                timings[""],
                timings[name],
                plans[name].graph.weight_bytes - plans[""].graph.weight_bytes,
                predict_peak(plans[name], sizes) - predict_peak(plans[""], sizes),
            )


def _passes(left_out: str) -> tuple[list[str], list[str]]:
    """Return the passes to skip, and those to run on request, where one is left out or none."""
    skip = [left_out] if left_out and left_out not in ON_REQUEST else []
    return skip, [name for name in ON_REQUEST if name != left_out]


def _stored(plan: Executable) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of all constants: of two plans with the same steps they may differ."""
    return tuple(constant.shape for constant in plan.graph.constants.values())


def _feeds(graph: Graph, sizes: Mapping[str, int]) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        name: rng.standard_normal(type.bind(sizes).dims).astype(type.dtype)
        for name, type in graph.inputs.items()
    }


def never_paying(effects: Sequence[Effect]) -> dict[str, str]:
    """Return the passes that pay on no model, and what is to be said of each."""
    found = {}
    for name in EVERY:
        told = {e.verdict for e in effects if e.name == name}
        if told & {"pays", "needed"}:
            continue
        smaller = any(e.weights > 0 or e.values > 0 for e in effects if e.name == name)
        if told == {"nothing to do"}:
            found[name] = "found nothing to do"
        else:
            found[name] = "spares memory, and no time" if smaller else "spares nothing that shows"
        if "costs" in told:
            found[name] += "; costs time on a model"
    return found


def as_json(effects: Sequence[Effect]) -> dict[str, Any]:
    """Return everything as data."""
    return {
        "format": "minisparse bench passes",
        "version": 1,
        "never_paying": never_paying(effects),
        "effects": [
            {
                "model": e.model,
                "pass": e.name,
                "verdict": e.verdict,
                "ratio": e.ratio,
                "seconds": e.whole and e.whole.median,
                "seconds_without": e.without and e.without.median,
                "weight_bytes_without": e.weights,
                "value_bytes_without": e.values,
                "needed": e.needed,
            }
            for e in effects
        ],
    }
