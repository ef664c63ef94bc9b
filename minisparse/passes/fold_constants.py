"""Compute once what depends on constants alone.

Before    v = convert(w, format=csr)         After    v is a constant in CSR
          spmm(v, x)                                  spmm(v, x)

Why       A weight is converted when the model is compiled, not at every run.
When      Every operand of the node is a constant. What another library computes is left: it may
          be drawn at random at every run.
Keeps     Every result: what is computed now is what would be computed later.
"""

from collections.abc import Mapping

import numpy as np

from minisparse.cost import Target
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph, Node
from minisparse.kernels import execute, find_level
from minisparse.ops import CONVERT
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Replace each node that reads only constants by the constant it gives."""
    constants = dict(graph.constants)
    nodes = []
    for node in graph.nodes:
        if _foldable(node, constants):
            constants[node.output] = _value(node, constants)
        else:
            nodes.append(node)
    return graph.replace_nodes(nodes, constants)


def _foldable(node: Node, constants: Mapping[str, Constant]) -> bool:
    """Tell whether every operand is a constant, and plain unless it is to be converted."""
    if not node.op.name.isidentifier():  # an op of another library
        return False
    if len(node.outputs) != 1 or any(name not in constants for name in node.inputs):
        return False
    plain = not any(isinstance(constants[name], Matrix) for name in node.inputs)
    return plain or node.op is CONVERT


def _value(node: Node, constants: Mapping[str, Constant]) -> Constant:
    _, level = find_level(node.op, "dense", "vectorized")
    with np.errstate(all="ignore"):
        found = execute(node.op, level, [constants[name] for name in node.inputs], node.attrs)
    return found if isinstance(found, Matrix) else np.asarray(found, order="C")


FOLD_CONSTANTS = Pass("fold_constants", run, after=("insert_conversions",))
