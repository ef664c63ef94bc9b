"""Choose a kernel for every node and prepare its weight."""

import time
from dataclasses import replace
from typing import Any

from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.symbolic import is_unknown
from minisparse.core.tensor_type import Layout
from minisparse.cost import Candidate, Target, rank
from minisparse.dispatch.live_rows import live_rows
from minisparse.dispatch.placement import moved, place
from minisparse.dispatch.plan import Plan, Step
from minisparse.dispatch.reasons import reason
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
    _check_asked_for(graph, target)
    hosted = _on_host(graph, target)
    priced = {node.name: rank(sized, node, target, _layout(graph, node)) for node in graph.nodes}
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
        _step(graph, sized, node, priced[node.name], target, node.name in hosted)
        for node in graph.nodes
    )
    return Plan(source, graph, target, steps, reports)


def _on_host(graph: Graph, target: Target) -> frozenset[str]:
    """Return the nodes that a plan for a GPU computes in main memory.

    Raises
    ------
    UnsupportedOpError
        If there are nodes that could be computed only there, though their operands do not lie
        there.
    """
    if target.device != "gpu":
        return frozenset()
    hosted = place(graph).nodes
    lost = [n for n in graph.nodes if n.op.on_host and n.name not in hosted]
    if lost:
        named = "; ".join(f"node '{n.name}' = {n.op.name}" for n in lost)
        raise UnsupportedOpError(
            f"target 'gpu': no way on a GPU for: {named}: they are computed by another library in "
            f"main memory, and nothing is copied there unasked; compile for target 'cpu', or "
            f"replace them in the model"
        )
    return hosted


def _check_asked_for(graph: Graph, target: Target) -> None:
    """Raise UsageError if candidates are asked for of nodes that there are not."""
    unknown = sorted(set(target.choose) - {node.name for node in graph.nodes})
    if unknown:
        weighted = [n.name for n in graph.nodes if n.op.base.weight is not None]
        raise UsageError(
            f"choose: plan '{graph.name}' has no node {', '.join(unknown)}; those with a weight: "
            f"{', '.join(weighted) or 'none'}"
        )


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
    graph: Graph,
    sized: Graph,
    node: Node,
    priced: tuple[Candidate, ...],
    target: Target,
    hosted: bool,
) -> Step:
    chosen, columns = priced[0], _columns(sized, node, target)
    device = "cpu" if hosted else target.device
    start = time.perf_counter()
    packed = _packed(graph, node, chosen, columns, device)
    seconds = 0.0 if packed is None else time.perf_counter() - start
    why = reason(chosen, priced, target, node.name in target.choose)
    bodies = _bodies(graph, node, target) if node.op in (IF_ELSE, LOOP) else {}
    listed = tuple(sorted(priced, key=Candidate.order))
    unsettled = _is_unsettled(graph, node)
    looks = target.dynamic and not unsettled and not bodies and device == "cpu"
    live = live_rows(sized, node, chosen, target) if looks else None
    return Step(node, chosen, listed, why, packed, seconds, unsettled, live, bodies, device)


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
        plans[attribute] = make_plan(inside, inside, replace(target, choose={}))
    return plans


def _is_unsettled(graph: Graph, node: Node) -> bool:
    """Tell whether only the run tells a size of an operand or a result."""
    types = [graph.types[name] for name in (*node.inputs, *node.outputs)]
    return any(is_unknown(dim) for type in types for dim in type.shape)


def _packed(graph: Graph, node: Node, chosen: Candidate, columns: int, device: str) -> Any:
    """Return a constant weight as the level prepares it, None where there is nothing to do.

    A weight for a device is moved there first, and packed there.
    """
    at = node.op.base.weight
    if at is None or at >= len(node.inputs):
        return None
    weight = graph.constants.get(node.inputs[at])
    level = level_of(chosen.kernel, chosen.level).on(device == "gpu")
    if weight is None or level.prepare is None:
        return None
    return pack(level, moved(weight, device), columns)
