"""What has run so far: the interpreter's events, asked for one by one and kept."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.dispatch import Plan
from minisparse.graph import Constant
from minisparse.runtime import DidRun, Event, check_feeds, events


class History:
    """The events of one run, in order; only what was asked for has run.

    Attributes
    ----------
    plan : Plan
        What runs.
    feeds : dict
        On what.
    """

    def __init__(self, plan: Plan, feeds: Mapping[str, Any]) -> None:
        self.plan = plan
        self.feeds = check_feeds(plan.graph, feeds)
        self._seen: list[DidRun] = []
        self._events: Iterator[Event] | None = None

    def event(self, index: int) -> DidRun:
        """Return what happened at a step of the plan, running up to there where need be."""
        while len(self._seen) <= index:
            self._seen.append(self._next())
        return self._seen[index]

    def values(self, count: int) -> dict[str, Constant]:
        """Return every value known once ``count`` steps have run; arrays cannot be written to."""
        found: dict[str, Constant] = {**self.feeds, **self.plan.graph.constants}
        for event in self._seen[:count]:
            found.update(zip(event.step.node.outputs, event.results, strict=True))
        return {name: _read_only(value) for name, value in found.items()}

    def value(self, name: str, count: int) -> Constant:
        """Return one of them, also by the name of an output or of the node that computed it.

        Raises
        ------
        UsageError
            If it is not there; the message says why.
        """
        values = self.values(count)
        found = value_name(self.plan, name)
        if found not in values:
            raise UsageError(f"no value '{name}' by now: {self._why_missing(found, values)}")
        return values[found]

    def _next(self) -> DidRun:
        """Let the interpreter run one step more.

        Where an error or an interrupt ended the interpreter, another one runs up to there first.
        """
        if self._events is None:
            self._events = events(self.plan, self.feeds)
            for _ in range(2 * len(self._seen)):
                next(self._events)
        running, self._events = self._events, None
        event = next(event for event in running if isinstance(event, DidRun))
        self._events = running
        return event

    def _why_missing(self, name: str, values: Mapping[str, Constant]) -> str:
        for i, step in enumerate(self.plan.steps):
            if name in step.node.outputs:
                return f"node {i + 1}, '{step.node.name}', computes it; step or run to there first"
        if name in self.plan.given.types:
            return "passes rewrote it away; ms.compile(..., skip=[...]) leaves passes out"
        return f"there are: {', '.join(values)}"


def value_name(plan: Plan, name: str) -> str:
    """Return the value that a name means: a value's own, an output's, or a node's for its first."""
    if name in plan.slots:
        return name
    by_node = {step.node.name: step.node.output for step in plan.steps}
    return plan.graph.outputs.get(name) or by_node.get(name, name)


def _read_only(value: Constant) -> Constant:
    """Return a view of an array that cannot be written to: what ran must not be changed after."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view
