"""Let channels fall silent whose weights were pruned: their bias, and what normalization adds.

A filter of zeros still gives its bias, and batch normalization shifts it: the channel is constant,
but not zero. Where the layer's own bias, a bias that is added to it, or a batch normalization
reads nothing but the layer, its entries for the channel are set to zero too.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.graph import Constant, Graph, Node
from minisparse.pruning.layers import find_layers


def silenced(graph: Graph, masks: Mapping[str, Array]) -> Graph:
    """Return the graph in which biases of channels without weights are zero too.

    Parameters
    ----------
    graph : Graph
        Whose weights were pruned.
    masks : mapping
        From names of weights to bool of their shapes, False where they went.
    """
    constants = dict(graph.constants)
    shared = _read_more_than_once(graph)
    for layer in find_layers(graph):
        if layer.weight not in masks:
            continue
        dead = np.asarray(~layer.as_matrix(masks[layer.weight]).any(axis=1))
        if dead.any():
            axis = _channel_axis(graph, layer.node, layer.operand)
            _quiet(graph, constants, shared, layer.node, 2, dead)
            _follow(graph, constants, shared, layer.node.output, dead, axis)
    return replace(graph, constants=constants)


def _read_more_than_once(graph: Graph) -> set[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for node in graph.nodes:
        for name in node.inputs:
            (twice if name in seen else seen).add(name)
    return twice


def _channel_axis(graph: Graph, node: Node, operand: int) -> int:
    """Return the axis of a layer's result along which its outputs lie."""
    ndim = graph.types[node.output].ndim
    if node.op.base.name in ("conv", "conv_transpose"):
        return 1
    return max(ndim - 2, 0) if operand == 0 else ndim - 1


def _quiet(
    graph: Graph, constants: dict[str, Constant], shared: set[str], node: Node, at: int, dead: Array
) -> None:
    """Set a constant operand's entries of dead channels to zero: a vector with an entry each."""
    if at >= len(node.inputs) or node.inputs[at] in shared:
        return
    name = node.inputs[at]
    given = constants.get(name)
    if isinstance(given, np.ndarray) and given.size == dead.size:
        constants[name] = np.where(dead.reshape(given.shape), given.dtype.type(0), given)


def _follow(
    graph: Graph,
    constants: dict[str, Constant],
    shared: set[str],
    value: str,
    dead: Array,
    axis: int,
) -> None:
    """Go on to a bias or a normalization that alone reads a layer's result."""
    readers = graph.readers(value)
    if len(readers) != 1 or value in graph.outputs.values():
        return
    (reader,) = readers
    if reader.op.name == "add_bias":
        _quiet(graph, constants, shared, reader, 1, dead)
    elif reader.op.name == "add":
        other = 1 - reader.inputs.index(value)
        if _lies_along(graph, reader.inputs[other], graph.types[value].ndim, axis):
            _quiet(graph, constants, shared, reader, other, dead)
            _follow(graph, constants, shared, reader.output, dead, axis)
    elif reader.op.name == "batch_normalization" and axis == 1 and reader.inputs[0] == value:
        _quiet(graph, constants, shared, reader, 1, dead)
        _quiet(graph, constants, shared, reader, 2, dead)


def _lies_along(graph: Graph, name: str, ndim: int, axis: int) -> bool:
    """Tell whether a value broadcasts along one axis alone: a bias."""
    shape = graph.types[name].shape
    padded = (1,) * (ndim - len(shape)) + tuple(shape)
    return len(shape) <= ndim and all(d == 1 for i, d in enumerate(padded) if i != axis)
