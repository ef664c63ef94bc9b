"""Lower a linear layer on more than two axes to a product of two matrices.

Before    y = matmul(x, w)                   x [..., K], w [K, N] constant, y [..., N]
After     p = dsmm(reshape(x, [-1, K]), w)   p [-1, N]
          y = reshape(p, [..., N])

Before    y = gemm(r, w, b, transB=1)        r = reshape(x, [-1, K]), w [N, K], b [N]
After     y = add(dsmm(r, w'), b)            w' is w transposed, once

Why       Only products of matrices have sparse kernels, and only they are finished tile by tile:
          a linear layer of a transformer is one, whatever stands before its last axis. Its
          operand lies by rows, and what follows (normalization, heads) wants it so.
When      w is a constant matrix. Where more than one size of y is not known, the shape is read
          from x. Of gemm, x has more than two axes, b is absent or a vector, and alpha = beta = 1.
Keeps     Every result within rounding: the same products, summed in an order of the kernel's.
"""

from collections.abc import Iterator

import numpy as np

from minisparse.cost import Target
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph, Node
from minisparse.ops import ADD, DSMM, OPS
from minisparse.passes.rewrite import Pass

RESHAPE = OPS["reshape"]


def run(graph: Graph, target: Target) -> Graph:
    """Turn products with a constant matrix into dsmm, reshaping what goes in and comes out."""
    constants = dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        if _is_linear(graph, node):
            nodes += _of_matmul(graph, node, constants)
        elif _is_linear_on_rows(graph, node):
            nodes += _of_gemm(node, constants)
        else:
            nodes.append(node)
    return graph.replace_nodes(nodes, constants)


def _is_linear(graph: Graph, node: Node) -> bool:
    if node.op.name != "matmul" or node.inputs[1] not in graph.constants:
        return False
    x, w = graph.operand_types(node)
    return w.ndim == 2 and x.ndim >= 2 and 0 not in (*x.shape, *w.shape)


def _of_matmul(graph: Graph, node: Node, constants: dict[str, Constant]) -> Iterator[Node]:
    """Yield the nodes that replace one matmul: the product takes its name, the last its value."""
    x, w = node.inputs
    type = graph.types[x]
    if type.ndim == 2:
        yield Node(node.name, DSMM, (x, w), node.outputs, DSMM.complete({}))
        return
    flat, product = f"{node.name}:in", f"{node.name}:product"
    yield reshaped(flat, x, _shape(flat, (-1, graph.types[w].dims[0]), constants))
    yield Node(node.name, DSMM, (flat, w), (product,), DSMM.complete({}))
    shape = [d if isinstance(d, int) else -1 for d in type.shape[:-1]]
    name, width = f"{node.name}:out", graph.types[w].dims[1]
    if shape.count(-1) <= 1:
        found = _shape(name, (*shape, width), constants)
    else:
        yield from _shape_like(name, x, width, constants)
        found = f"{name}:shape"
    yield Node(name, RESHAPE, (product, found), node.outputs, RESHAPE.complete({}))


def _shape_like(name: str, x: str, width: int, constants: dict[str, Constant]) -> Iterator[Node]:
    """Yield what computes the shape of x with another last axis."""
    before, shape, concat = f"{name}:before", OPS["shape"], OPS["concat"]
    constants[f"{name}:width"] = np.array([width], np.int64)
    yield Node(before, shape, (x,), (before,), shape.complete({"end": -1}))
    joined = concat.complete({"axis": 0})
    found = f"{name}:shape"
    yield Node(found, concat, (before, f"{name}:width"), (found,), joined)


def _is_linear_on_rows(graph: Graph, node: Node) -> bool:
    if node.op.name != "gemm" or node.inputs[1] not in graph.constants or node.attrs["transA"]:
        return False
    if (node.attrs["alpha"], node.attrs["beta"]) != (1, 1):
        return False
    before = graph.producers.get(node.inputs[0])
    if before is None or before.op.name != "reshape" or graph.types[before.inputs[0]].ndim < 3:
        return False
    width = graph.types[node.output].shape[1]
    same = {graph.types[name].dtype for name in (*node.inputs, *node.outputs)}
    return len(same) == 1 and all(graph.types[b].shape == (width,) for b in node.inputs[2:])


def _of_gemm(node: Node, constants: dict[str, Constant]) -> Iterator[Node]:
    """Yield the product, which takes the node's name, and the sum, which takes its value."""
    x, w, *bias = node.inputs
    if node.attrs["transB"]:
        given, w = constants[w], f"{w}:turned"
        constants[w] = given.T if isinstance(given, Matrix) else np.ascontiguousarray(given.T)
    product = f"{node.name}:product" if bias else node.output
    yield Node(node.name, DSMM, (x, w), (product,), DSMM.complete({}))
    for b in bias:
        yield Node(f"{node.name}:bias", ADD, (product, b), node.outputs, ADD.complete({}))


def _shape(name: str, shape: tuple[int, ...], constants: dict[str, Constant]) -> str:
    """Add the shape that a reshape wants to the constants and return the name of that."""
    constants[f"{name}:shape"] = np.array(shape, np.int64)
    return f"{name}:shape"


def reshaped(name: str, value: str, shape: str) -> Node:
    """Return a reshape that is named as its result, from a value and a shape."""
    return Node(name, RESHAPE, (value, shape), (name,), RESHAPE.complete({}))


LOWER_MATMUL = Pass("lower_matmul", run)
