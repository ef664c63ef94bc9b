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
from minisparse.passes.sweep import Sweep


def run(graph: Graph, target: Target) -> Graph:
    """Make one node of every product and the bias and activation that follow it."""
    sweep = Sweep(graph)
    for given in graph.nodes:
        node = sweep.seen(given)
        first = _product(sweep, node)
        if first is None:
            sweep.keep(node)
        else:  # where the second stood: an operand of its own may be defined just before it
            sweep.put(node, (_fused(first, node),))
    return sweep.result()


def _product(sweep: Sweep, node: Node) -> Node | None:
    """Return the product that nothing but this node reads, and whose epilogue it can be."""
    if node.op not in EPILOGUE_OPS:
        return None
    for value in node.inputs if node.op is ADD else node.inputs[:1]:
        first = sweep.producer(value)
        if first is None or not first.op.base.sums_products or first.op.base.weight is None:
            continue
        if not sweep.is_read_once(value) or set(node.attrs) & set(first.attrs):
            continue
        if node.op is not ADD or sweep.types[node.output] == sweep.types[value]:
            return first
    return None


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


FUSE_EPILOGUE = Pass("fuse_epilogue", run, after=("fold_constants",))
