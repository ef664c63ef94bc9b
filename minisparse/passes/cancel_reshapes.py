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

import numpy as np

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.passes.lower_matmul import reshaped
from minisparse.passes.rewrite import Pass
from minisparse.passes.sweep import Sweep, settled

_SUMS = ("add", "multiply", "sub")


def run(graph: Graph, target: Target) -> Graph:
    """Sink reshapes of matrices and drop those that restore what was."""
    return settled(graph, _swept)


def _swept(graph: Graph) -> Graph:
    sweep = Sweep(graph)
    for given in graph.nodes:
        node = sweep.seen(given)
        swapped = _sunk(sweep, node)
        if swapped is not None:
            sweep.put(node, swapped)
        elif not _restores(sweep, node):
            sweep.put(node, (_merged(sweep, node),))
    return sweep.result()


def _sunk(sweep: Sweep, node: Node) -> list[Node] | None:
    """Return ``reshape(f(p))`` for a node that is ``f(reshape(p))``; None if it is not."""
    for value in node.inputs:
        before = _parts_rows(sweep, value)
        if before is not None and sweep.is_read_once(value):
            found = _swapped(sweep, before, node)
            if found is not None:
                return found
    return None


def _parts_rows(sweep: Sweep, value: str) -> Node | None:
    """Return the reshape of a matrix ``[R, N]`` to ``[..., N]`` that gives a value, if one does."""
    node = sweep.producer(value)
    if node is None or node.op.name != "reshape":
        return None
    matrix, parted = sweep.types[node.inputs[0]], sweep.types[value]
    fits = matrix.ndim == 2 and parted.ndim > 2 and matrix.shape[-1] == parted.shape[-1]
    return node if fits else None


def _swapped(sweep: Sweep, before: Node, node: Node) -> list[Node] | None:
    """Return what works on the matrix, and reshapes its result; None where ``node`` cannot."""
    parted = sweep.types[before.output].shape
    if sweep.types[node.output].shape != parted:
        return None
    more: list[Node] = []
    inputs = {before.output: before.inputs[0]}
    if not node.op.elementwise:
        if node.op.name not in _SUMS:
            return None
        other = node.inputs[1 - node.inputs.index(before.output)]
        if sweep.types[other].shape == parted:
            if not isinstance(parted[-1], int) or parted[-1] == 0:
                return None
            rows = sweep.free(f"{node.name}:rows")
            flat = sweep.constant(f"{rows}:shape", np.array((-1, parted[-1]), np.int64))
            more = [_merged(sweep, reshaped(rows, other, flat))]
            inputs[other] = rows
        elif sweep.types[other].ndim > 1:
            return None
    inner = sweep.free(f"{node.name}:matrix")
    moved = node.reading(inputs)
    inside = Node(node.name, node.op, moved.inputs, (inner,), node.attrs)
    name = sweep.free(f"{node.name}:parted")
    after = Node(name, before.op, (inner, before.inputs[1]), node.outputs, before.attrs)
    return [*more, inside, after]


def _first_of_two(sweep: Sweep, node: Node) -> Node | None:
    """Return the reshape that a reshape reads, if it reads one whose operand would do."""
    before = sweep.producer(node.inputs[0]) if node.op.name == "reshape" else None
    if before is None or before.op.name != "reshape":
        return None
    known = sweep.types[node.inputs[1]].known
    copies_sizes = known is None or 0 in known  # 0 means a size of the operand's own shape
    return None if copies_sizes else before


def _restores(sweep: Sweep, node: Node) -> bool:
    """Let readers read what was before two reshapes, if the second restores its shape."""
    before = _first_of_two(sweep, node)
    if before is None or sweep.types[before.inputs[0]].shape != sweep.types[node.output].shape:
        return False
    return sweep.forward(node, before.inputs[0])


def _merged(sweep: Sweep, node: Node) -> Node:
    """Return a reshape of a reshape as one of the first one's operand; any other node as it is."""
    before = _first_of_two(sweep, node)
    return node if before is None else node.reading({before.output: before.inputs[0]})


CANCEL_RESHAPES = Pass("cancel_reshapes", run, after=("lower_matmul",))
