"""What flows through a graph on given inputs: norms of what a layer reads, and its outputs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats import Matrix
from minisparse.graph import Graph, Node
from minisparse.graph.feeds import named_feeds
from minisparse.kernels import bind, find_level, pack
from minisparse.pruning.layers import Layer

Value = Array | Matrix


def run_nodes(graph: Graph, feeds: Any) -> Iterator[tuple[Node, dict[str, Value]]]:
    """Run a graph as it is, node by node; yield each node with all values known by then.

    Parameters
    ----------
    graph : Graph
        The model.
    feeds : mapping or ndarray
        From input names to arrays, or the array for the only input.

    Raises
    ------
    UsageError, ShapeError, DTypeError
        If the inputs do not fit the graph's, or there is nothing in them.
    """
    given = named_feeds(graph, feeds)
    if any(x.size == 0 for x in given.values()):
        raise UsageError(f"graph '{graph.name}': calibration inputs are empty")
    values: dict[str, Value] = {**graph.constants, **given}
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    kept = {*graph.constants, *graph.outputs.values()}
    with np.errstate(all="ignore"):
        for i, node in enumerate(graph.nodes):
            results = run_node(node, [values[name] for name in node.inputs])
            values.update(zip(node.outputs, results, strict=True))
            yield node, values
            for name in node.inputs:
                if last[name] == i and name not in kept:
                    values.pop(name, None)


def run_node(node: Node, operands: list[Value]) -> tuple[Value, ...]:
    """Return the results of a node on its operands."""
    at = node.op.base.weight
    format = "dense" if at is None else _format(operands[at])
    _, level = find_level(node.op, format, "vectorized")
    given: list[Any] = list(operands)
    if at is not None:
        given[at] = pack(level, given[at], once=True)
    result = bind(node.op, level, node.attrs)(*given)
    return result if isinstance(result, tuple) else (result,)


def _format(value: Value) -> str:
    return value.format if isinstance(value, Matrix) else "dense"


def run_outputs(graph: Graph, feeds: Any) -> dict[str, Array]:
    """Return the graph's outputs by name."""
    values: dict[str, Value] = {}
    for _, now in run_nodes(graph, feeds):
        values = now
    found = {shown: values[name] for shown, name in graph.outputs.items()}
    return {name: x.to_dense() if isinstance(x, Matrix) else x for name, x in found.items()}


def input_norms(graph: Graph, layers: tuple[Layer, ...], feeds: Any) -> dict[str, Array]:
    """Return for each layer the root mean square of each of its inputs over items and places.

    Within a layer that orders weights as norms do; between layers it does not count how often a
    layer is applied.

    Parameters
    ----------
    graph : Graph
        The model.
    layers : tuple of Layer
        Of the graph; those of which both operands are constants are left out.
    feeds : mapping
        Calibration inputs: from input names to arrays.

    Returns
    -------
    dict
        From weight names to float64 ``[columns of the layer's matrix]``; of a convolution all
        places of a window share their channel's norm, as if every pixel were seen by each.
    """
    of_node = {layer.name: layer for layer in layers}
    found: dict[str, Array] = {}
    for node, values in run_nodes(graph, feeds):
        layer = of_node.get(node.name)
        if layer is None:
            continue
        other = values[node.inputs[1 - layer.operand]]
        x = other.to_dense() if isinstance(other, Matrix) else other
        inputs = _input_axis(layer, x)
        moved = np.moveaxis(x, inputs, 0).reshape(x.shape[inputs], -1).astype(np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", moved, moved) / max(1, moved.shape[1]))
        found[layer.weight] = _per_row(layer, norms)
    return found


def _per_row(layer: Layer, norms: Array) -> Array:
    """Return norms as columns of the matrix; of a grouped layer a row for each output."""
    inputs = layer.shape[layer.in_axis] if layer.window * layer.shape[layer.in_axis] else 0
    columns = np.repeat(norms, layer.window)
    group = layer.node.attrs.get("group", 1)
    if group == 1 or len(norms) != inputs * group:
        return columns
    rows = columns.reshape(group, -1)
    return np.repeat(rows, layer.outputs // group, axis=0)


_SUMMED: dict[str, Callable[[Layer, int], int]] = {
    "gemm": lambda layer, ndim: (
        (0 if layer.node.attrs["transA"] else 1)
        if layer.operand == 1
        else (1 if layer.node.attrs["transB"] else 0)
    ),
    "matmul": lambda layer, ndim: ndim - 1 if layer.operand == 1 else max(ndim - 2, 0),
    "conv": lambda layer, ndim: 1,
    "conv_transpose": lambda layer, ndim: 1,
    "dsmm": lambda layer, ndim: 1,
}


def _input_axis(layer: Layer, x: Array) -> int:
    """Return the axis of the layer's other operand along which products are summed."""
    axis = _SUMMED.get(layer.node.op.base.name)
    return 0 if axis is None else axis(layer, x.ndim)
