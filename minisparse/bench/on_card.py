"""A candidate made ready on a graphics card: operands moved there, its weight packed there."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import to_device
from minisparse.cost import Candidate
from minisparse.cost.ready import columns_of, convert
from minisparse.cost.stored import stored_attrs
from minisparse.formats import Matrix
from minisparse.gpu.timing import time_on_gpu
from minisparse.graph import Graph, Node
from minisparse.kernels import bind, pack
from minisparse.kernels.places import level_at

_ROUNDS = 3


class Ready(NamedTuple):
    """A call on the card, and what was done for it once.

    Attributes
    ----------
    call : callable
        Computes the node; its result lies on the card.
    packing : float
        Seconds that packing the weight took the host.
    types : tuple of TensorType
        Of the operands, the weight's as it is stored.
    """

    call: Callable[[], Any]
    packing: float
    types: tuple[TensorType, ...]


def moved(x: Any) -> Any:
    """Return a matrix or an array on the card."""
    return x.to_device("gpu") if isinstance(x, Matrix) else to_device(x, "gpu")


def ready_on_card(graph: Graph, node: Node, candidate: Candidate, operands: Sequence[Any]) -> Ready:
    """Return what computes a node by a candidate on the card.

    Parameters
    ----------
    graph, node : Graph, Node
        What is computed.
    candidate : Candidate
        How.
    operands : sequence
        Of the node, in the host's memory; its weight as the graph has it.
    """
    at, types, attrs = node.op.base.weight, graph.operand_types(node), node.attrs
    level, given, packing = level_at(candidate.kernel, candidate.level, "gpu"), list(operands), 0.0
    if at is not None:
        given[at] = convert(graph, node, candidate, operands[at])
        if isinstance(given[at], Matrix):
            types = (*types[:at], given[at].type, *types[at + 1 :])
        attrs = stored_attrs(node, graph.types[node.inputs[at]], candidate.layout)
    given = [moved(x) for x in given]
    if at is not None:
        columns = columns_of(types[at], graph.types[node.output])
        begin = time.perf_counter()
        given[at] = pack(level, given[at], columns)
        packing = time.perf_counter() - begin
    call = bind(node.op, level, attrs)
    return Ready(lambda: call(*given), packing, types)


def seconds_on_card(call: Callable[[], object], typical: float = 0.0) -> float:
    """Return what a call takes among many like it: the fastest of a few rounds."""
    return min(time_on_gpu({"": call}, cold=False, rounds=_ROUNDS)[""])
