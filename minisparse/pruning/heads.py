"""Find attention heads: which inputs of an output projection belong to which head.

What is looked for is what both frontends make of attention: ``softmax``, ``matmul`` with the
values, ``transpose`` and ``reshape`` that lay the heads side by side, and a layer with a constant
weight that mixes them.
"""

from dataclasses import dataclass

from minisparse.core.errors import UsageError
from minisparse.graph import Graph, Node
from minisparse.pruning.layers import Layer

_PASSED_THROUGH = ("identity", "cast", "where", "multiply", "reshape", "expand")


@dataclass(frozen=True)
class Heads:
    """An output projection whose inputs are heads laid side by side.

    Attributes
    ----------
    layer : Layer
        The projection.
    count : int
        Number of heads.
    """

    layer: Layer
    count: int

    @property
    def width(self) -> int:
        """Inputs for each head."""
        return self.layer.shape[self.layer.in_axis] // self.count


def find_heads(graph: Graph, layers: tuple[Layer, ...]) -> tuple[Heads, ...]:
    """Return the attention blocks of a graph, in order.

    Parameters
    ----------
    graph : Graph
        As a frontend made it.
    layers : tuple of Layer
        Those of its layers that may be output projections.
    """
    found = {}
    for node in graph.nodes:
        if node.op.name != "softmax":
            continue
        mixed = _next(graph, node.output, ("matmul",), _PASSED_THROUGH)
        for product in mixed:
            heads = _behind(graph, product, layers)
            if heads is not None:
                found[heads.layer.weight] = heads
    return tuple(found.values())


def _behind(graph: Graph, product: Node, layers: tuple[Layer, ...]) -> Heads | None:
    """Return the projection that reads what attention computed, ``[..., heads, S, width]``."""
    shape = graph.types[product.output].shape
    if len(shape) < 3 or not isinstance(shape[-3], int) or not isinstance(shape[-1], int):
        return None
    count, width = shape[-3], shape[-1]
    by_node = {layer.name: layer for layer in layers}
    through = ("transpose", "reshape", "identity", "flatten")
    for reader in _next(graph, product.output, ("gemm", "matmul", "dsmm", "spmm"), through):
        layer = by_node.get(reader.name)
        if layer is not None and layer.shape[layer.in_axis] == count * width:
            return Heads(layer, count)
    return None


def _next(
    graph: Graph, value: str, wanted: tuple[str, ...], through: tuple[str, ...]
) -> list[Node]:
    """Return the nodes of wanted ops that read a value, directly or through ops that only pass."""
    found, seen, waiting = [], set(), [value]
    while waiting:
        for reader in graph.readers(waiting.pop()):
            if reader.name in seen:
                continue
            seen.add(reader.name)
            if reader.op.name in wanted:
                found.append(reader)
            elif reader.op.name in through:
                waiting.append(reader.output)
    return found


def require_heads(graph: Graph, layers: tuple[Layer, ...]) -> tuple[Heads, ...]:
    """Return the attention blocks; UsageError if there is none."""
    found = find_heads(graph, layers)
    if not found:
        raise UsageError(
            f"prune: graph '{graph.name}' has no attention heads: no softmax whose result is "
            "multiplied with values and goes into a layer with a constant weight"
        )
    return found
