"""What happened in one run: every step's time, bytes and values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from minisparse.core.dtypes import Array
from minisparse.dispatch import Plan, Step
from minisparse.graph import Constant
from minisparse.graph.feeds import check_feeds
from minisparse.runtime.events import DidRun
from minisparse.runtime.interpreter import events
from minisparse.show import card, human_bytes, human_seconds, table, table_text, timeline_html


@dataclass(frozen=True)
class Record:
    """One step of a run.

    Attributes
    ----------
    step : Step
        Node, kernel and reason.
    operands, results : tuple
        What it read and what it computed.
    start, seconds : float
        When it began, counted from the first step's begin, and how long it took.
    """

    step: Step
    operands: tuple[Constant, ...]
    results: tuple[Constant, ...]
    start: float
    seconds: float

    @property
    def bytes_read(self) -> int:
        """Bytes of the operands as stored."""
        return sum(x.nbytes for x in self.operands)

    @property
    def bytes_written(self) -> int:
        """Bytes of the results."""
        return sum(x.nbytes for x in self.results)


@dataclass(frozen=True)
class Trace:
    """One run of a plan, with every value that came up.

    Attributes
    ----------
    plan : Plan
        What ran.
    feeds : mapping
        What it was fed.
    records : tuple of Record
        The steps in the order in which they ran.
    """

    plan: Plan
    feeds: Mapping[str, Array]
    records: tuple[Record, ...]

    @cached_property
    def values(self) -> dict[str, Constant]:
        """Every value by name: inputs, constants, and what each node computed."""
        found: dict[str, Constant] = {**self.feeds, **self.plan.graph.constants}
        for record in self.records:
            found.update(zip(record.step.node.outputs, record.results, strict=True))
        return found

    @property
    def outputs(self) -> dict[str, Constant]:
        """The run's results by name."""
        return {name: self.values[value] for name, value in self.plan.graph.outputs.items()}

    @property
    def seconds(self) -> float:
        """Time of all steps together."""
        return sum(record.seconds for record in self.records)

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row of texts per step: node, op, kernel, predicted, measured, bytes."""
        return [
            (
                r.step.node.name,
                r.step.node.op.name,
                r.step.chosen.name,
                human_seconds(r.step.chosen.seconds),
                human_seconds(r.seconds),
                human_bytes(r.bytes_read),
                human_bytes(r.bytes_written),
            )
            for r in self.records
        ]

    def __str__(self) -> str:
        """Return a table of at most 80 columns."""
        total = f"total {human_seconds(self.seconds)} in {len(self.records)} steps"
        return f"{table_text(_HEADERS, self.rows())}\n{total}"

    def _repr_html_(self) -> str:
        """Return the card for a notebook, with a timeline."""
        line = [(r.step.node.name, r.start, r.seconds) for r in self.records]
        title = f"Trace of {self.plan.graph.name}: {human_seconds(self.seconds)}"
        return card(title, table(_HEADERS, self.rows()), timeline_html(line))


_HEADERS = ("node", "op", "kernel", "predicted", "measured", "read", "written")


def trace(plan: Plan, feeds: Mapping[str, Any]) -> Trace:
    """Run a plan once and keep everything that happened.

    A first run also pays for memory that later runs find ready; run the plan before to leave that
    out of the times.
    """
    done = [event for event in events(plan, feeds) if isinstance(event, DidRun)]
    begin = done[0].start if done else 0.0
    records = tuple(Record(e.step, e.operands, e.results, e.start - begin, e.seconds) for e in done)
    return Trace(plan, check_feeds(plan.graph, feeds), records)
