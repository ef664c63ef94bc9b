"""Choose a kernel for every node and prepare its weight."""

import time
from typing import Any

from minisparse.core.errors import UnsupportedOpError
from minisparse.core.symbolic import is_unknown
from minisparse.core.tensor_type import Layout
from minisparse.cost import Candidate, Target, candidates
from minisparse.dispatch.plan import Plan, Step
from minisparse.graph import Graph, Node
from minisparse.graph.body import as_graph
from minisparse.kernels import level_of, pack
from minisparse.ops.control import IF_ELSE, LOOP, captured, formal_types
from minisparse.passes import PassReport


def make_plan(
    source: Graph, graph: Graph, target: Target, reports: tuple[PassReport, ...] = ()
) -> Plan:
    """Return the plan that runs each node of ``graph`` by its cheapest kernel.

    Parameters
    ----------
    source : Graph
        The graph before any pass, kept for comparison.
    graph : Graph
        The graph to run.
    target : Target
        Machine, expected sizes, allowed levels.
    reports : tuple of PassReport
        What the passes did.

    Raises
    ------
    UnsupportedOpError
        If nodes have no kernel for the formats of their operands; all of them are named.
    """
    sized = target.bind(graph)
    priced = {node.name: candidates(sized, node, target) for node in graph.nodes}
    lost = [n for n in graph.nodes if not any(_fits(graph, n, c) for c in priced[n.name])]
    if lost:
        raise UnsupportedOpError(
            "no kernel for: "
            + "; ".join(
                f"node '{n.name}' = {n.op.name} on {', '.join(map(str, graph.operand_types(n)))}"
                for n in lost
            )
        )
    steps = tuple(
        _step(graph, node, priced[node.name], _columns(sized, node, target), target)
        for node in graph.nodes
    )
    return Plan(source, graph, target, steps, reports)


def _layout(graph: Graph, node: Node) -> Layout | None:
    """Return the layout in which a node's weight arrives, None for an op without a weight."""
    at = node.op.base.weight
    if at is None or at >= len(node.inputs):
        return None
    return graph.types[node.inputs[at]].layout


def _columns(graph: Graph, node: Node, target: Target) -> int:
    """Return how many columns a node's weight meets: outputs for each of its rows."""
    at = node.op.base.weight
    if at is None or at >= len(node.inputs):
        return 0
    weight, result = (target.size(graph.types[name]) for name in (node.inputs[at], node.output))
    return result.size // max((1, *weight.dims[:1]))


def _fits(graph: Graph, node: Node, candidate: Candidate) -> bool:
    """Tell whether a candidate can take the weight as it arrives."""
    layout = _layout(graph, node)
    return layout is None or candidate.layout == layout


def _step(
    graph: Graph, node: Node, priced: tuple[Candidate, ...], columns: int, target: Target
) -> Step:
    ready = [c for c in priced if _fits(graph, node, c)]
    chosen = ready[0]
    start = time.perf_counter()
    packed = _packed(graph, node, chosen, columns)
    seconds = 0.0 if packed is None else time.perf_counter() - start
    why = _reason(chosen, priced)
    bodies = _bodies(graph, node, target) if node.op in (IF_ELSE, LOOP) else {}
    return Step(node, chosen, priced, why, packed, seconds, _is_unsettled(graph, node), bodies)


def _bodies(graph: Graph, node: Node, target: Target) -> dict[str, Plan]:
    """Return the plan of each body that may run, captured constants being constants there too."""
    first = captured(node.op, node.attrs)
    fixed = {i for i, name in enumerate(node.inputs) if i >= first and name in graph.constants}
    plans = {}
    for attribute, types in formal_types(node.op, graph.operand_types(node), node.attrs).items():
        body = node.attrs[attribute]
        own = len(body.inputs) - len(node.inputs)  # less than 0: the condition is handed to none
        constants = {body.inputs[i + own]: graph.constants[node.inputs[i]] for i in fixed}
        inside = as_graph(body, types, constants, f"{node.name}.{attribute}")
        plans[attribute] = make_plan(inside, inside, target)
    return plans


def _is_unsettled(graph: Graph, node: Node) -> bool:
    """Tell whether only the run tells a size of an operand or a result."""
    types = [graph.types[name] for name in (*node.inputs, *node.outputs)]
    return any(is_unknown(dim) for type in types for dim in type.shape)


def _packed(graph: Graph, node: Node, chosen: Candidate, columns: int) -> Any:
    """Return a constant weight as the level prepares it, None where there is nothing to do."""
    at = node.op.base.weight
    if at is None or at >= len(node.inputs):
        return None
    weight = graph.constants.get(node.inputs[at])
    level = level_of(chosen.kernel, chosen.level)
    return None if weight is None or level.prepare is None else pack(level, weight, columns)


def _reason(chosen: Candidate, priced: tuple[Candidate, ...]) -> str:
    """Say why a candidate was chosen, in one line."""
    others = [c for c in priced if c is not chosen]
    if not others:
        return "the only way there is"
    best = min(others, key=lambda c: c.seconds)
    factor = best.seconds / chosen.seconds if chosen.seconds else float("inf")
    if factor >= 1:
        return f"predicted {factor:.2f} times as fast as {best.name}"
    return f"{best.name} is predicted {1 / factor:.2f} times as fast, but no pass converts to it"
