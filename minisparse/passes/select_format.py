"""Select for each weight the format in which its op is cheapest.

Before    spmm(w, x)                         After    spmm(w, x), wants w as csr

Why       The same zeros cost differently in every format: indices take room, padding takes
          arithmetic, blocks feed the matrix unit.
When      The weight is a constant whose pattern is known. A dense weight stays dense where no
          format is predicted to be faster, its share of what is done once included: at most
          densities that is so. A candidate that was asked for is taken; and where the target
          says so, the best few are timed.
Keeps     Everything: a wish is noted, and ``insert_conversions`` fulfils it.
"""

from dataclasses import replace

from minisparse.cost import Target, rank
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
    chosen, now = rank(graph, node, target)[0], graph.types[node.inputs[at]].layout
    return node if chosen.layout == now else replace(node, wants={at: chosen.layout})


SELECT_FORMAT = Pass(
    "select_format", run, after=("recognize_sparsity", "lower_gemm", "lower_matmul")
)
