"""Fuse bias, activation and residual into the product that feeds them.

Before    p = spmm(w, x)                     After    y = spmm_bias_relu(w, x, b)
          q = add_bias(p, b)
          y = relu(q)

Why       p and q [M, N] are neither written nor read back: 4 * M * N * itemsize bytes saved;
          the kernel finishes each tile while it is still near.
When      Each value between has one reader; another would still need it in memory. A sum with
          another value (a residual) must keep the product's shape and dtype. Products are what
          multiplies with a weight: there is nothing to gain where the first op is itself one
          that passes over its operand.
Keeps     Every result bit for bit: the same numbers go through the same operations.
"""

from dataclasses import replace

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.kernels import EPILOGUE_OPS
from minisparse.ops import ADD, OPS
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Make one node of every product and the bias and activation that follow it."""
    for node in graph.nodes:
        first: Node | None = node if node in graph.nodes else None
        while first is not None and (after := _follower(graph, first)) is not None:
            fused = _fused(first, after)
            # where the second stood: an operand of its own may be defined just before it
            rest = (fused if n is after else n for n in graph.nodes if n is not first)
            graph, first = graph.replace_nodes(rest), fused
    return graph


def _fused(first: Node, after: Node) -> Node:
    op = first.op.then(after.op)
    more = list(after.inputs)
    more.remove(first.output)  # not always the first: sums commute
    return replace(
        first,
        op=OPS.get(op.name, op),
        inputs=(*first.inputs, *more),
        outputs=after.outputs,
        attrs={**first.attrs, **after.attrs},
    )


def _follower(graph: Graph, node: Node) -> Node | None:
    """Return the one node that reads this product and can be its epilogue, if there is one."""
    base = node.op.base
    if not base.sums_products or base.weight is None or node.output in graph.outputs.values():
        return None
    readers = graph.readers(node.output)
    if len(readers) != 1 or readers[0].op not in EPILOGUE_OPS:
        return None
    after = readers[0]
    if after.inputs.count(node.output) != 1 or set(after.attrs) & set(node.attrs):
        return None
    first = after.inputs[0] == node.output
    same = graph.types[after.output] == graph.types[node.output]
    return after if (first or after.op is ADD) and (same or after.op is not ADD) else None


FUSE_EPILOGUE = Pass("fuse_epilogue", run, after=("fold_constants",))
