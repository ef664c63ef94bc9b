"""Cancel transpositions that undo each other.

Before    transpose(relu(transpose(x)))      After    relu(x)

Why       Lowering transposes around every layer; between two layers the second undoes the first.
When      Two permutations compose to the identity, with only elementwise ops of one operand
          between them.
Keeps     Every result bit for bit: only the order of elements in memory differs between.
"""

from collections.abc import Sequence

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.passes.rewrite import Pass
from minisparse.passes.sweep import Sweep, settled


def run(graph: Graph, target: Target) -> Graph:
    """Move transpositions down through elementwise ops and drop pairs that cancel."""
    return settled(graph, _swept)


def _swept(graph: Graph) -> Graph:
    sweep = Sweep(graph)
    for given in graph.nodes:
        node = sweep.seen(given)
        before = sweep.producer(node.inputs[0]) if node.inputs else None
        if before is None or before.op.name != "transpose":
            sweep.keep(node)
        elif node.op.elementwise:
            sweep.put(node, _swapped(sweep, before, node))
        elif not (_cancels(before, node) and sweep.forward(node, before.inputs[0])):
            sweep.keep(node)
    return sweep.result()


def _swapped(sweep: Sweep, before: Node, node: Node) -> tuple[Node, Node]:
    """Return ``transpose(f(x))`` for ``f(transpose(x))``."""
    inner = sweep.free(f"{node.name}:inner")
    inside = Node(node.name, node.op, before.inputs, (inner,), node.attrs)
    out = sweep.free(f"{node.name}:out")
    return inside, Node(out, before.op, (inner,), node.outputs, before.attrs)


def _cancels(before: Node, node: Node) -> bool:
    """Tell whether a node is a transposition that undoes the one before it."""
    return node.op.name == "transpose" and _are_inverse(before.attrs["perm"], node.attrs["perm"])


def _are_inverse(first: Sequence[int] | None, second: Sequence[int] | None) -> bool:
    """Tell whether one order of axes undoes another; None reverses them, however many there are."""
    backwards = range(len(first or second or ()))[::-1]
    first, second = first or backwards, second or backwards
    return [first[p] for p in second] == list(range(len(first)))


CANCEL_TRANSPOSES = Pass("cancel_transposes", run, after=("lower_gemm",))
