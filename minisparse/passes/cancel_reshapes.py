"""Cancel reshapes that undo each other, around what works element by element.

Before    r = reshape(p, [8, 16, N])         After    t = gelu(add(p, b))
          t = gelu(add(r, b))                         s = t
          s = reshape(t, [-1, N])

Why       Lowering reshapes around every linear layer; between two layers, and between a layer and
          its bias, activation or residual, a matrix may stay one. Then they can be fused.
When      A reshape keeps the last axis and joins or parts only those before it. It sinks below an
          elementwise op; below a sum with a vector along the last axis; and below a sum with a
          value of the same shape, which is reshaped instead. A reshape of a reshape reads the
          first one's operand.
Keeps     Every result bit for bit: only the shape between differs.
"""

from collections.abc import Mapping
from dataclasses import replace

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.passes.lower_matmul import reshaped, with_inputs
from minisparse.passes.rewrite import Pass

_SUMS = ("add", "multiply", "sub")


def run(graph: Graph, target: Target) -> Graph:
    """Sink reshapes of matrices and drop those that restore what was."""
    changed: Graph | None = graph
    while changed is not None:
        graph, changed = changed, _sunk(changed) or _merged(changed)
    return graph.drop_unused()


def _sunk(graph: Graph) -> Graph | None:
    """Swap the first ``f(reshape(p))`` for ``reshape(f(p))``; None if there is none."""
    for node in graph.nodes:
        for value in node.inputs:
            before = _parts_rows(graph, value)
            if before is not None and len(graph.readers(value)) == 1:
                found = _swapped(graph, before, node)
                if found is not None:
                    return found
    return None


def _parts_rows(graph: Graph, value: str) -> Node | None:
    """Return the reshape of a matrix ``[R, N]`` to ``[..., N]`` that gives a value, if one does."""
    node = graph.producers.get(value)
    if node is None or node.op.name != "reshape" or value in graph.outputs.values():
        return None
    matrix, parted = graph.types[node.inputs[0]], graph.types[value]
    fits = matrix.ndim == 2 and parted.ndim > 2 and matrix.shape[-1] == parted.shape[-1]
    return node if fits else None


def _swapped(graph: Graph, before: Node, node: Node) -> Graph | None:
    """Return the graph in which ``node`` works on the matrix, and its result is reshaped."""
    if graph.types[node.output].shape != graph.types[before.output].shape:
        return None
    constants = dict(graph.constants)
    more: list[Node] = []
    inputs = {before.output: before.inputs[0]}
    if not node.op.elementwise:
        if node.op.name not in _SUMS or node.inputs[0] == node.inputs[1]:
            return None
        other = node.inputs[1 - node.inputs.index(before.output)]
        if graph.types[other].shape == graph.types[before.output].shape:
            width = graph.types[before.output].shape[-1]
            if not isinstance(width, int) or width == 0:
                return None
            more = [reshaped(f"{node.name}:rows", other, (-1, width), constants)]
            inputs[other] = more[0].output
        elif graph.types[other].ndim > 1:
            return None
    inner = f"{node.name}:matrix"
    moved = with_inputs(node, inputs)
    after = Node(
        f"{node.name}:parted", before.op, (inner, before.inputs[1]), node.outputs, before.attrs
    )
    replaced = [*more, Node(moved.name, moved.op, moved.inputs, (inner,), moved.attrs), after]
    nodes = [part for n in graph.nodes for part in (replaced if n is node else [n])]
    return graph.replace_nodes(nodes, constants).drop_unused()


def _merged(graph: Graph) -> Graph | None:
    """Let the first reshape of a reshape read the first one's operand; None if there is none."""
    for node in graph.nodes:
        before = graph.producers.get(node.inputs[0]) if node.op.name == "reshape" else None
        if before is None or before.op.name != "reshape":
            continue
        if _copies_sizes(graph, node):
            continue
        if graph.types[before.inputs[0]].shape == graph.types[node.output].shape:
            return _without(graph, node, {node.output: before.inputs[0]})
        merged = with_inputs(node, {before.output: before.inputs[0]})
        return graph.replace_nodes(merged if n is node else n for n in graph.nodes).drop_unused()
    return None


def _copies_sizes(graph: Graph, node: Node) -> bool:
    """Tell whether a reshape's shape has a 0, which means a size of the operand's own shape."""
    known = graph.types[node.inputs[1]].known
    return known is None or 0 in known


def _without(graph: Graph, node: Node, same: Mapping[str, str]) -> Graph:
    """Return the graph without a node whose result is another value."""
    nodes = tuple(with_inputs(n, same) for n in graph.nodes if n is not node)
    outputs = {shown: same.get(value, value) for shown, value in graph.outputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs).drop_unused()


CANCEL_RESHAPES = Pass("cancel_reshapes", run, after=("lower_matmul",))
