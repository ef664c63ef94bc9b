"""Which layers' outputs are tied: a channel of one goes with the same channel of the others.

Where two branches are summed, a channel of the sum is gone only if it is gone in both; a depthwise
convolution has for each channel that it reads one that it writes. So tied layers are pruned by one
list of channels. After Fang et al., DepGraph: towards any structural pruning, arXiv:2301.12900, for
ops that keep channels in their places.
"""

from collections.abc import Iterable

from minisparse.graph import Graph, Node
from minisparse.pruning.layers import Layer

_KEEPING = (
    "batch_normalization",
    "max_pool",
    "average_pool",
    "add_bias",
    "identity",
    "clip",
    "leaky_relu",
    "hard_swish",
    "hard_sigmoid",
    "sigmoid",
    "tanh",
    "relu",
    "gelu",
    "silu",
)
_SUMMING = ("add", "sub", "multiply", "max", "min")


def tied(graph: Graph, layers: Iterable[Layer]) -> list[tuple[Layer, ...]]:
    """Return the layers in groups: those in one group have as many outputs, and share their fate.

    Parameters
    ----------
    graph : Graph
        The model.
    layers : iterable of Layer
        Of the graph.
    """
    parents: dict[str, str] = {}

    def root(value: str) -> str:
        while value in parents:
            value = parents[value]
        return value

    for node in graph.nodes:
        first, *others = _alike(graph, node) or [""]
        for other in others:
            if root(first) != root(other):
                parents[root(other)] = root(first)
    groups: dict[tuple[str, int], list[Layer]] = {}
    for layer in layers:
        groups.setdefault((root(layer.node.output), layer.outputs), []).append(layer)
    return [tuple(group) for group in groups.values()]


def _alike(graph: Graph, node: Node) -> list[str]:
    """Return values of a node, its result among them, that have the same channels."""
    if node.op.name in _KEEPING:
        return [node.inputs[0], node.output]
    if node.op.name in _SUMMING:
        shape = graph.types[node.output].shape
        return [node.output, *(i for i in node.inputs if graph.types[i].shape == shape)]
    group = node.attrs.get("group", 1)
    channels = graph.types[node.inputs[0]].shape[1:2] if node.inputs else ()
    if node.op.name == "conv" and group > 1 and channels == (group,):
        return [node.inputs[0], node.output]
    return []
