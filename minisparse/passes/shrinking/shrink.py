"""From a graph to a smaller one: look, tie, decide, cut."""

from dataclasses import replace

import numpy as np

from minisparse.graph import Graph, Node
from minisparse.passes.shrinking.channels import Facts, Partial, constant, tidy, unknown
from minisparse.passes.shrinking.cut import Cut
from minisparse.passes.shrinking.decide import Decision, decide
from minisparse.passes.shrinking.dependencies import Atoms, Dependencies
from minisparse.passes.shrinking.report import ShrinkReport, Staying, make_report, staying
from minisparse.passes.shrinking.rules import RULES, Ends, Place, Rule


def shrink(graph: Graph) -> tuple[Graph, ShrinkReport]:
    """Return a graph without dead channels, filters and heads, and what was done.

    Inputs and outputs stay what they are. In exact arithmetic every output is the same, provided
    that activations are finite.

    Parameters
    ----------
    graph : Graph
        Such as a frontend or a :class:`~minisparse.graph.GraphBuilder` made it.

    Returns
    -------
    Graph
        Smaller, or ``graph`` itself if nothing is dead.
    ShrinkReport
        Sizes of each layer before and after, and what stays although it is dead.

    Examples
    --------
    >>> from minisparse.graph import GraphBuilder
    >>> b = GraphBuilder()
    >>> w = b.constant("w", np.array([[1, 2], [0, 0], [3, 4]], "float32"))
    >>> v = b.constant("v", np.ones((2, 3), "float32"))
    >>> h = b.op("gemm", b.input("x", ("batch", 2)), w, transB=1)
    >>> smaller, report = shrink(b.build({"y": b.op("gemm", h, v, transB=1)}))
    >>> smaller.types["w"], smaller.types["v"]
    (float32[2, 2], float32[2, 2])
    """
    now, stays = shrink_once(graph)
    while now is not graph:
        before, (now, stays) = now, shrink_once(now)
        if now is before:
            break
    return now, make_report(graph, now, stays)


def shrink_once(graph: Graph) -> tuple[Graph, tuple[Staying, ...]]:
    """Return the graph without what is seen to be dead in one look, itself if that is nothing."""
    with np.errstate(all="ignore"):  # what is not finite counts as unknown
        facts = find_constants(graph)
        dependencies = find_dependencies(graph, facts)
        decision = decide(dependencies)
        stays = staying(graph, facts, dependencies, decision)
        if not decision.gone.any():
            return graph, stays
        return _carried_out(graph, facts, dependencies.atoms, decision), stays


def find_constants(graph: Graph) -> dict[str, Partial]:
    """Return what is known of every value, whatever the input."""
    facts: dict[str, Partial] = {name: unknown(t.ndim) for name, t in graph.inputs.items()}
    facts |= {name: constant(value) for name, value in graph.constants.items()}
    for node in graph.nodes:
        facts.update(zip(node.outputs, _known_of(Place(graph, node, facts)), strict=True))
    return facts


def _known_of(place: Place) -> tuple[Partial, ...]:
    """Return what is known of a node's results."""
    rule = _rule_for(place)
    if rule is None or not any(p.known.any() for p in place.partials):
        return tuple(unknown(type.ndim) for type in place.results)
    return tuple(tidy(p) for p in rule.facts(place))


def _rule_for(place: Place) -> Rule | None:
    """Return the rule for a node; None where there is none, or where there are no elements."""
    empty = any(0 in type.shape for type in (*place.types, *place.results))
    return None if empty else RULES.get(place.node.op.name)


def find_dependencies(graph: Graph, facts: Facts) -> Dependencies:
    """Return what ties the indices of a graph's values together, and what holds them."""
    dependencies = Dependencies(Atoms(graph.types))
    for name in graph.inputs:
        _keep_all(graph, dependencies, name, f"'{name}' is an input")
    for name, value in graph.outputs.items():
        _keep_all(graph, dependencies, value, f"'{name}' is an output")
    for node in graph.nodes:
        ends = Ends(Place(graph, node, facts), dependencies)
        rule = _rule_for(ends.place)
        if rule is not None:
            rule.ties(ends)
        ends.finish()
    dependencies.choose()
    return dependencies


def _keep_all(graph: Graph, dependencies: Dependencies, value: str, why: str) -> None:
    for axis in range(graph.types[value].ndim):
        dependencies.keep(dependencies.atoms.of(value, axis), why)


def _carried_out(graph: Graph, facts: Facts, atoms: Atoms, decision: Decision) -> Graph:
    cut = Cut(graph, facts, atoms, decision.gone)
    nodes: list[Node] = []
    for node in graph.nodes:
        rule = RULES.get(node.op.name)
        touched = cut.shrinks(*node.inputs, *node.outputs)
        nodes += [node] if rule is None or not touched else rule.shrunk(node, cut)
    patterns = {n: p for n, p in graph.patterns.items() if not cut.shrinks(n)}
    smaller = replace(graph, patterns=patterns).replace_nodes(nodes, cut.constants)
    return smaller.drop_unused()  # shapes that were computed and are constants now
