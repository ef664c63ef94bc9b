"""Which pass earned or lost what: the model compiled up to each pass, timed against the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from minisparse.api import compile_for
from minisparse.core.dtypes import Array
from minisparse.dispatch.weight_bytes import packed_bytes
from minisparse.evaluation.progress import progress
from minisparse.passes import PASSES
from minisparse.runtime import Executable, Timing, measure, predict_peak, sizes_of
from minisparse.show import folded_text, human_bytes, human_seconds


@dataclass(frozen=True)
class Stage:
    """The model as compiled up to some pass.

    Attributes
    ----------
    name : str
        The last pass that ran; ``"as given"`` for none.
    timing : Timing
        Seconds of one run.
    weight_bytes : int
        Bytes of all constants as stored.
    packed_bytes : int
        Bytes that kernels packed of them besides.
    value_bytes : int
        Most bytes of values between nodes that are alive at once, as predicted.
    """

    name: str
    timing: Timing
    weight_bytes: int
    packed_bytes: int
    value_bytes: int


@dataclass(frozen=True)
class Waterfall:
    """Stages in the order of the passes; those that changed nothing are left out."""

    stages: tuple[Stage, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row of texts for each stage: its figures, and how they differ from before.

        ``~`` stands where two times cannot be told apart: see :meth:`Timing.is_below`.
        """
        found: list[tuple[str, ...]] = []
        for i, stage in enumerate(self.stages):
            before = self.stages[max(i - 1, 0)]
            found.append(
                (
                    stage.name,
                    human_seconds(stage.timing.median),
                    _earned(before.timing, stage.timing),
                    human_bytes(stage.weight_bytes),
                    _signed(stage.weight_bytes - before.weight_bytes, human_bytes),
                    human_bytes(stage.packed_bytes),
                    human_bytes(stage.value_bytes),
                )
            )
        return found

    def __str__(self) -> str:
        """Return a table of at most 80 columns."""
        return folded_text(("after", "a run", "", "weights", "", "packed", "values"), self.rows())


def _earned(before: Timing, after: Timing) -> str:
    """Return the difference of two times; ``~`` where it drowns in what rounds differ by."""
    if before is after:
        return ""
    if not (before.is_below(after) or after.is_below(before)):
        return "~"
    return _signed(after.median - before.median, human_seconds)


def _signed(difference: float, written: Callable[[Any], str]) -> str:
    if not difference:
        return ""
    return f"{'+' if difference > 0 else '-'}{written(abs(difference))}"


def waterfall(
    plan: Executable, feeds: Mapping[str, Array], rounds: int = 7, bar: bool | None = None
) -> Waterfall:
    """Compile a plan's model once for each pass that changed it, and time all in turns.

    Passes that only note or wish something leave the run as it was, and its time.

    Parameters
    ----------
    plan : Executable
        What ``ms.compile`` returned; passes that were skipped stay skipped.
    feeds : mapping
        From input names to arrays.
    rounds : int
        How often each is run.
    bar : bool, optional
        Whether a progress bar is shown, where ``tqdm`` is installed.
    """
    ran = [report.name for report in plan.reports]
    changed = [report.name for report in plan.reports if report.changed]
    plans = {}
    stops = [None, *changed]
    for stop in progress(stops, len(stops), "compiling", bar):
        kept = ran[: ran.index(stop) + 1] if stop is not None else []
        skip = [name for name in PASSES if name not in kept]
        plans[stop or "as given"] = compile_for(plan.given, plan.target, skip)
    doing = {name: what_runs(each) for name, each in plans.items()}
    distinct = {what: name for name, what in reversed(doing.items())}
    runs = {name: partial(plans[name].run, feeds) for name in plans if name in distinct.values()}
    timings = measure(runs, rounds=rounds, budget=float("inf"))
    sizes = sizes_of(plan.graph, feeds)
    return Waterfall(
        tuple(
            Stage(
                name,
                timings[distinct[doing[name]]],
                each.graph.weight_bytes,
                packed_bytes(each),
                predict_peak(each, sizes),
            )
            for name, each in plans.items()
        )
    )


def what_runs(plan: Executable) -> tuple[object, ...]:
    """Return what a run of a plan does; plans that do the same take the same time."""
    return tuple(
        (step.node.op.name, step.node.inputs, step.node.outputs, step.chosen.name)
        for step in plan.steps
    )
