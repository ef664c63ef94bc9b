"""A node by itself, its weight thought away: what other weights would cost in its place."""

import math
from dataclasses import replace

import numpy as np

from minisparse.core.errors import MinisparseError
from minisparse.graph import Graph, Node


def apart(graph: Graph, node: Node) -> Graph | None:
    """Return a graph of one node, whose weight is a plain array of zeros that takes no memory.

    What is known of the weight's pattern stays known, so that candidates are priced as if it had
    not been converted yet; another pattern may be put in its place.

    Parameters
    ----------
    graph : Graph
        With sizes known.
    node : Node
        A node of it.

    Returns
    -------
    Graph or None
        None where the node has no constant weight that could be stored sparse.
    """
    at = node.op.base.weight
    if at is None or at >= len(node.inputs) or node.inputs[at] not in graph.constants:
        return None
    name = node.inputs[at]
    stored = graph.types[name]
    shape = stored.dims
    if len(shape) < 2 or node.inputs.count(name) > 1:
        return None
    kernel = node.attrs.get("kernel_shape")
    if kernel is not None and len(shape) == 2:  # a stored filter is a row
        shape = (shape[0], shape[1] // max(math.prod(kernel), 1), *kernel)
    empty = np.broadcast_to(np.zeros((), stored.dtype), shape)
    beside = {i: graph.types[i] for i in node.inputs if i != name}
    known = {name: graph.patterns[name]} if name in graph.patterns else {}
    outputs = {output: output for output in node.outputs}
    try:
        return Graph("apart", beside, {name: empty}, (replace(node, wants={}),), outputs, known)
    except MinisparseError:  # what follows may take no dense result: a sum of sparse matrices
        return None
