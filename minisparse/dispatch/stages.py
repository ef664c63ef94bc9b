"""What a run is predicted to take after each pass: the way from the dense model to the plan."""

from dataclasses import dataclass, replace

from minisparse.cost import Target, rank
from minisparse.dispatch.plan import Plan
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
    """

    name: str
    seconds: float
    weight_bytes: int


def stages(plan: Plan) -> tuple[Stage, ...]:
    """Return the model as it was given, and as each pass left it that changed something."""
    graphs = {"dense": plan.given}
    graphs |= {report.name: report.after for report in plan.reports if report.changed}
    *before, (last, graph) = graphs.items()
    # What is asked for, or was timed, is chosen at the end; before, there may be no such candidate.
    free = replace(plan.target, choose={}, policy="predicted")
    found = [Stage(n, predicted_seconds(g, free), g.weight_bytes) for n, g in before]
    seconds = sum(step.chosen.seconds for step in plan.steps)
    return (*found, Stage(last, seconds, graph.weight_bytes))


def predicted_seconds(graph: Graph, target: Target) -> float:
    """Return what a graph would take as it stands, each weight in the layout that it has.

    Parameters
    ----------
    graph : Graph
        With or without names for sizes.
    target : Target
        The machine and the sizes to expect.
    """
    sized, total = target.bind(graph), 0.0
    for node in sized.nodes:
        at = node.op.base.weight
        weighted = at is not None and at < len(node.inputs)
        layout = sized.types[node.inputs[at or 0]].layout if weighted else None
        found = rank(sized, node, target, layout)
        total += found[0].seconds if found else 0.0
    return total
