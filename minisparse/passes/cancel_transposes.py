"""Cancel transpositions that undo each other.

Before    transpose(relu(transpose(x)))      After    relu(x)

Why       Lowering transposes around every layer; between two layers the second undoes the first.
When      Two permutations compose to the identity, with only elementwise ops of one operand
          between them.
Keeps     Every result bit for bit: only the order of elements in memory differs between.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Move transpositions down through elementwise ops and drop pairs that cancel."""
    nodes = list(graph.nodes)
    while (changed := _sink_one(graph, nodes) or _cancel_one(graph, nodes)) is not None:
        nodes = changed
    return graph.replace_nodes(nodes).drop_unused()


def _sink_one(graph: Graph, nodes: list[Node]) -> list[Node] | None:
    """Swap the first ``f(transpose(x))`` for ``transpose(f(x))``; None if there is none."""
    producers = {node.output: node for node in nodes}
    for i, node in enumerate(nodes):
        before = producers.get(node.inputs[0]) if node.inputs else None
        if not node.op.elementwise or before is None or before.op.name != "transpose":
            continue
        taken = {*producers, *(other.name for other in nodes)}
        inner, out = (_free(f"{node.name}:{end}", taken) for end in ("inner", "out"))
        inside = Node(node.name, node.op, before.inputs, (inner,), node.attrs)
        outside = Node(out, before.op, (inner,), node.outputs, before.attrs)
        return [*nodes[:i], inside, outside, *nodes[i + 1 :]]
    return None


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name that nothing has: a node that sinks twice leaves two behind."""
    numbered = (f"{name}_{i}" for i in count(2))
    return next(n for n in chain((name,), numbered) if n not in taken)


def _cancel_one(graph: Graph, nodes: list[Node]) -> list[Node] | None:
    """Drop the first transposition that undoes the one it reads; None if there is none."""
    producers = {node.output: node for node in nodes}
    for i, node in enumerate(nodes):
        before = producers.get(node.inputs[0]) if node.op.name == "transpose" else None
        if before is None or before.op.name != "transpose":
            continue
        if not _are_inverse(before.attrs["perm"], node.attrs["perm"]):
            continue
        if node.output in graph.outputs.values():
            continue
        same = {node.output: before.inputs[0]}
        return [*nodes[:i], *(_reading(other, same) for other in nodes[i + 1 :])]
    return None


def _are_inverse(first: Sequence[int] | None, second: Sequence[int] | None) -> bool:
    """Tell whether one order of axes undoes another; None reverses them, however many there are."""
    backwards = range(len(first or second or ()))[::-1]
    first, second = first or backwards, second or backwards
    return [first[p] for p in second] == list(range(len(first)))


def _reading(node: Node, same: Mapping[str, str]) -> Node:
    """Return the node with the names of values replaced."""
    return replace(node, inputs=tuple(same.get(name, name) for name in node.inputs))


CANCEL_TRANSPOSES = Pass("cancel_transposes", run, after=("lower_gemm",))
