"""A candidate made ready to be called: its weight converted and packed, its attributes settled."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from minisparse.core.tensor_type import TensorType
from minisparse.cost.candidate import Candidate
from minisparse.cost.stored import stored_attrs
from minisparse.graph import Constant, Graph, Node
from minisparse.kernels import bind, level_of
from minisparse.kernels import pack as pack_for
from minisparse.kernels.convert.dense import vectorized as convert_to


def columns_of(weight: TensorType, result: TensorType) -> int:
    """Return how many columns a weight meets: outputs for each of its rows; sizes are known."""
    return result.size // max((1, *weight.dims[:1]))


def convert(graph: Graph, node: Node, candidate: Candidate, weight: Constant) -> Constant:
    """Return a node's weight in the layout of a candidate; itself if it is in it."""
    if graph.types[node.inputs[node.op.base.weight or 0]].layout == candidate.layout:
        return weight
    return convert_to(weight, candidate.layout.format, candidate.layout.block)


def pack(candidate: Candidate, weight: Constant, columns: int) -> Any:
    """Return a weight in the layout of a candidate as its level packs it."""
    return pack_for(level_of(candidate.kernel, candidate.level), weight, columns)


def bound(
    graph: Graph, node: Node, candidate: Candidate, operands: Sequence[Any]
) -> Callable[[], Any]:
    """Return what computes a node by a candidate, its weight being packed among the operands."""
    at, attrs = node.op.base.weight, node.attrs
    if at is not None:
        attrs = stored_attrs(node, graph.types[node.inputs[at]], candidate.layout)
    return partial(bind(node.op, level_of(candidate.kernel, candidate.level), attrs), *operands)


def ready(
    graph: Graph, node: Node, candidate: Candidate, operands: Sequence[Constant], columns: int
) -> Callable[[], Any]:
    """Return what computes a node with a weight by a candidate, all that is done once being done.

    Parameters
    ----------
    graph, node : Graph, Node
        What is computed.
    candidate : Candidate
        How.
    operands : sequence
        Of the node, its weight as the graph has it.
    columns : int
        About how many columns the weight meets.
    """
    at, given = node.op.base.weight or 0, list(operands)
    given[at] = pack(candidate, convert(graph, node, candidate, given[at]), columns)
    return bound(graph, node, candidate, given)
