"""Select for each weight the format in which its op is cheapest.

Before    spmm(w, x)                         After    spmm(w, x), wants w as csr

Why       The same zeros cost differently in every format: indices take room, padding takes
          arithmetic, blocks feed the matrix unit.
When      The weight is a constant whose pattern is known. A dense weight stays dense where no
          format is predicted to be faster: at most densities that is so.
Keeps     Everything: a wish is noted, and ``insert_conversions`` fulfils it.
"""

from dataclasses import replace

from minisparse.cost import Target, candidates
from minisparse.graph import Graph, Node
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Note at each node the layout in which it wants its weight."""
    sized = target.bind(graph)
    return graph.replace_nodes(_wishing(sized, node, target) for node in graph.nodes)


def _wishing(graph: Graph, node: Node, target: Target) -> Node:
    at = node.op.base.weight
    if at is None or at >= len(node.inputs) or node.inputs[at] not in graph.constants:
        return node
    priced, now = candidates(graph, node, target), graph.types[node.inputs[at]].layout
    kept = [c for c in priced if c.layout == now and c.seconds <= _WORTH * priced[0].seconds]
    return node if kept else replace(node, wants={at: priced[0].layout})


_WORTH = 1.02
"""A conversion is not worth what is predicted to save less than this: no prediction is so good."""


SELECT_FORMAT = Pass(
    "select_format", run, after=("recognize_sparsity", "lower_gemm", "lower_matmul")
)
