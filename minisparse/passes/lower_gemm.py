"""Lower a linear layer with a pruned weight to a product with the weight on the left.

Before    y = gemm(x, w, b, transB=1)        x [N, K], w [M, K], b [M], y [N, M]
After     p = spmm(w, transpose(x))          p [M, N]
          y = transpose(add_bias(p, b))

Why       Sparse kernels walk the stored entries of their left operand and fetch whole rows of
          the right one. With the weight on the left those rows are contiguous in memory.
When      w is a constant that holds a zero, b is absent or a vector [M], and alpha = beta = 1.
Keeps     Every result within rounding: the same products, summed in an order of the kernel's.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from minisparse.cost import Target
from minisparse.formats import Matrix, find_pattern
from minisparse.graph import Graph, Node
from minisparse.ops import ADD_BIAS, SPMM, TRANSPOSE, Op
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Turn gemm with a pruned weight into spmm, transposing what goes in and comes out."""
    for node in graph.nodes:
        if _applies(graph, node):
            if not node.attrs["transB"]:
                graph = _with_turned_weight(graph, node.inputs[1])
            nodes = [part for n in graph.nodes for part in (_lowered(n) if n is node else [n])]
            graph = graph.replace_nodes(nodes)
    return graph


def _applies(graph: Graph, node: Node) -> bool:
    if node.op.name != "gemm" or (node.attrs["alpha"], node.attrs["beta"]) != (1, 1):
        return False
    pattern = graph.patterns.get(node.inputs[1])
    if node.inputs[1] not in graph.constants or pattern is None or pattern.density == 1:
        return False
    columns = graph.types[node.output].shape[1]
    return all(graph.types[bias].shape == (columns,) for bias in node.inputs[2:])


def _turned(weight: str) -> str:
    """Return under which name a weight is kept that was given as ``[K, M]``."""
    return f"{weight}:turned"


def _with_turned_weight(graph: Graph, weight: str) -> Graph:
    """Return the graph with a constant more: the weight as ``[M, K]``, and its pattern."""
    given = graph.constants[weight]
    turned = given.T if isinstance(given, Matrix) else np.ascontiguousarray(given.T)
    name = _turned(weight)
    return replace(
        graph,
        constants={**graph.constants, name: turned},
        patterns={**graph.patterns, name: find_pattern(turned)},
    )


def _lowered(node: Node) -> Iterator[Node]:
    """Yield the nodes that replace one gemm: the product takes its name, the last its value."""
    x, w, *bias = node.inputs

    def define(name: str, output: str, op: Op, *inputs: str) -> Node:
        attrs = op.complete({"perm": (1, 0)} if op is TRANSPOSE else {})
        return Node(name, op, inputs, (output,), attrs)

    if not node.attrs["transA"]:
        yield define(f"{node.name}:in", x := f"{node.name}:in", TRANSPOSE, node.inputs[0])
    if not node.attrs["transB"]:
        w = _turned(w)
    value = f"{node.name}:product"
    yield define(node.name, value, SPMM, w, x)
    for b in bias:
        yield define(f"{node.name}:bias", biased := f"{node.name}:biased", ADD_BIAS, value, b)
        value = biased
    yield define(f"{node.name}:out", node.output, TRANSPOSE, value)


LOWER_GEMM = Pass("lower_gemm", run, after=("recognize_sparsity",))
