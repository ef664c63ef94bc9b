"""A plan told as data, as text, as a card: every candidate, its price, the choice, the reason."""

from collections.abc import Iterator
from dataclasses import dataclass

from minisparse.cost import Candidate
from minisparse.dispatch.plan import Plan
from minisparse.show import (
    card,
    human_bytes,
    human_count,
    human_seconds,
    paragraph,
    table,
    table_text,
    wrap,
)


@dataclass(frozen=True)
class CandidateExplanation:
    """One way in which a node could have been computed.

    Attributes
    ----------
    name : str
        Layout and level.
    seconds : float
        Predicted time of one call.
    flops, bytes, gathered, calls : float
        What the prediction is made of.
    weight_bytes : int
        Bytes of the weight in this layout.
    chosen : bool
        Whether the plan runs it.
    """

    name: str
    seconds: float
    flops: float
    bytes: float
    gathered: float
    calls: float
    weight_bytes: int
    chosen: bool


@dataclass(frozen=True)
class NodeExplanation:
    """One node: its candidates, cheapest first, and why one was chosen."""

    name: str
    op: str
    candidates: tuple[CandidateExplanation, ...]
    why: str

    @property
    def chosen(self) -> CandidateExplanation:
        """The candidate that the plan runs."""
        return next(c for c in self.candidates if c.chosen)


@dataclass(frozen=True)
class Explanation:
    """Why a plan is as it is.

    Attributes
    ----------
    title : str
        Model and target.
    sizes : str
        The sizes that prices are for.
    passes : tuple of str
        What each pass did, a line each.
    nodes : tuple of NodeExplanation
        Each node's candidates; after a control op those of the nodes in its bodies.
    """

    title: str
    sizes: str
    passes: tuple[str, ...]
    nodes: tuple[NodeExplanation, ...]

    def __str__(self) -> str:
        """Return everything as text of at most 80 columns."""
        lines = [f"{self.title}; prices for {self.sizes}", "", "passes"]
        lines += [wrap(line, 80, indent=2) for line in self.passes]
        for node in self.nodes:
            lines += ["", wrap(f"{node.name} = {node.op}: {node.chosen.name}, {node.why}", 80)]
            lines.append(table_text(_HEADERS, _rows(node)))
        lines += ["", wrap(LEGEND, 80)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        sections = [table(("pass", "what it did"), [line.split(": ", 1) for line in self.passes])]
        for node in self.nodes:
            chosen = [i for i, c in enumerate(node.candidates) if c.chosen]
            sections.append(paragraph(f"= {node.op}: {node.why}", lead=node.name))
            sections.append(table(_HEADERS, _rows(node), highlight=chosen))
        sections.append(paragraph(LEGEND))
        return card(f"{self.title}; prices for {self.sizes}", *sections)


LEGEND = (
    "Mflop: operations executed, those on padding included; moved: bytes read and written; "
    "gathered: elements fetched through an index; calls: into NumPy; weight: its stored bytes."
)
"""What the columns of candidates mean."""
_HEADERS = ("candidate", "predicted", "Mflop", "moved", "gathered", "calls", "weight", "")


def _rows(node: NodeExplanation) -> list[tuple[str, ...]]:
    return [
        (
            c.name,
            human_seconds(c.seconds),
            f"{c.flops / 1e6:.3g}",
            human_bytes(c.bytes),
            human_count(c.gathered),
            f"{c.calls:.0f}",
            human_bytes(c.weight_bytes),
            "chosen" if c.chosen else "",
        )
        for c in node.candidates
    ]


def explain(plan: Plan) -> Explanation:
    """Return why a plan is as it is."""
    sized = plan.target.bind(plan.source)
    sizes = ", ".join(f"{name} {type}" for name, type in sized.inputs.items())
    return Explanation(
        f"plan {plan.graph.name} for {plan.target.machine.name}",
        sizes,
        tuple(map(str, plan.reports)),
        tuple(_nodes(plan)),
    )


def _nodes(plan: Plan, inside: str = "") -> Iterator[NodeExplanation]:
    """Yield every step, and after a control op those of its bodies: ``loop_1.body/h``."""
    for step in plan.steps:
        name = f"{inside}{step.node.name}"
        found = tuple(_candidate(c, c is step.chosen) for c in step.candidates)
        yield NodeExplanation(name, step.node.op.name, found, step.why)
        for attribute, body in step.bodies.items():
            yield from _nodes(body, f"{name}.{attribute}/")


def _candidate(candidate: Candidate, chosen: bool) -> CandidateExplanation:
    work = candidate.work
    return CandidateExplanation(
        candidate.name,
        candidate.seconds,
        work.flops,
        work.bytes,
        work.gathered,
        work.calls,
        candidate.weight_bytes,
        chosen,
    )
