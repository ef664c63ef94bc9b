"""What a run is predicted to take after each pass: the way from the dense model to the plan."""

from dataclasses import dataclass, replace

from minisparse.cost import Target, rank
from minisparse.dispatch.plan import Plan
from minisparse.dispatch.weight_bytes import packed_bytes
from minisparse.graph import Graph


@dataclass(frozen=True)
class Stage:
    """A graph on the way.

    Attributes
    ----------
    name : str
        The pass that made it; ``"dense"`` for the model as it was given.
    seconds : float
        Predicted time of one run, every node computed by its cheapest candidate; of the last one,
        by that which the plan has.
    weight_bytes : int
        Bytes of all constants as stored.
    packed_bytes : int
        Bytes that kernels pack of them besides: of the plan as packed, before it as predicted.
    """

    name: str
    seconds: float
    weight_bytes: int
    packed_bytes: int


def stages(plan: Plan) -> tuple[Stage, ...]:
    """Return the model as it was given, and as each pass left it that changed something."""
    graphs = {"dense": plan.given}
    graphs |= {report.name: report.after for report in plan.reports if report.changed}
    *before, (last, graph) = graphs.items()
    # What is asked for, or was timed, is chosen at the end; before, there may be no such candidate.
    free = replace(plan.target, choose={}, policy="predicted")
    found = [Stage(n, *_predicted(g, free)) for n, g in before]
    seconds = sum(step.chosen.seconds for step in plan.steps)
    return (*found, Stage(last, seconds, graph.weight_bytes, packed_bytes(plan)))


def _predicted(graph: Graph, target: Target) -> tuple[float, int, int]:
    """Return what a graph takes as it stands, each weight in its layout: time, stored, packed."""
    sized, seconds, packed = target.bind(graph), 0.0, 0
    for node in sized.nodes:
        at = node.op.base.weight
        weighted = at is not None and at < len(node.inputs)
        layout = sized.types[node.inputs[at or 0]].layout if weighted else None
        for chosen in rank(sized, node, target, layout)[:1]:
            seconds += chosen.seconds
            packed += chosen.packed_bytes
    return seconds, graph.weight_bytes, packed
