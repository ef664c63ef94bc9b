"""Where a session stops by itself: at an op, at a node, or after a result of some kind."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.dispatch import Plan, Step
from minisparse.formats import Matrix
from minisparse.graph import Constant
from minisparse.runtime import DidRun


@dataclass(frozen=True)
class Breakpoint:
    """One reason to stop.

    Attributes
    ----------
    number : int
        By which it is removed.
    text : str
        What it waits for, in words.
    before : callable, optional
        From a step that is about to run to whether to stop there.
    after : callable, optional
        From the event of a node that has run to whether to stop now.
    """

    number: int
    text: str
    before: Callable[[Step], bool] | None = None
    after: Callable[[DidRun], bool] | None = None

    def __repr__(self) -> str:
        """Return number and text."""
        return f"Breakpoint({self.number}: {self.text})"


def make_breakpoint(
    plan: Plan,
    number: int,
    op: str | None = None,
    name: str | None = None,
    when: Callable[[DidRun], bool] | None = None,
    nan: bool = False,
) -> Breakpoint:
    """Return the breakpoint that exactly one of ``op``, ``name``, ``when``, ``nan`` describes.

    Raises
    ------
    UsageError
        If none or several are given, or the plan has no such op or name.
    """
    if sum(x is not None for x in (op, name, when)) + nan != 1:
        raise UsageError("a breakpoint waits for one thing: give op=, name=, when= or nan=True")
    if op is not None:
        known = dict.fromkeys(o for step in plan.steps for o in _ops(step))
        if op not in known:
            raise UsageError(f"no node of the plan computes '{op}'; its ops: {', '.join(known)}")
        return Breakpoint(number, f"before op {op}", before=lambda step: op in _ops(step))
    if name is not None:
        known = dict.fromkeys(n for step in plan.steps for n in _names(step))
        if name not in known:
            raise UsageError(f"the plan has no node '{name}'; its nodes: {', '.join(known)}")
        return Breakpoint(number, f"before node {name}", before=lambda step: name in _names(step))
    if nan:
        return Breakpoint(number, "after a result with NaN", after=_gave_nan)
    return Breakpoint(number, "after a result for which the condition holds", after=when)


def _ops(step: Step) -> tuple[str, ...]:
    """Return by which names a step's op is called: a fused one also by its parts'."""
    return (step.node.op.name, *(part.name for part in step.node.op.parts))


def _names(step: Step) -> tuple[str, ...]:
    return (step.node.name, *step.node.outputs)


def _gave_nan(event: DidRun) -> bool:
    return any(_has_nan(result) for result in event.results)


def _has_nan(value: Constant) -> bool:
    data = value.data if isinstance(value, Matrix) else value
    return bool(np.isnan(data).any())
