"""What shrinking did, layer by layer, and what it left standing."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph, Node
from minisparse.passes.shrinking.channels import Facts
from minisparse.passes.shrinking.decide import Decision
from minisparse.passes.shrinking.dependencies import Dependencies


@dataclass(frozen=True)
class Layer:
    """The size of a layer: a node that sums products with a weight.

    Attributes
    ----------
    name : str
        The node.
    op : str
        What it computes.
    inputs, outputs : tuple of int
        Channels read and written, before and after.
    parameters : tuple of int
        Numbers in its constants, of sparse ones the stored; before and after.
    multiply_adds : tuple of int
        For one example, that is with 1 for every dimension that has only a name.
    """

    name: str
    op: str
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    parameters: tuple[int, int]
    multiply_adds: tuple[int, int]


@dataclass(frozen=True)
class Staying:
    """Channels that are dead and yet could not be removed.

    Attributes
    ----------
    layer : str
        The node that writes them, or reads them.
    channels : tuple of int
        Their numbers in the shrunk graph.
    why : str
        What holds them.
    read : bool
        Whether the layer reads them, and ignores them as all others do that read them; what writes
        them is no layer then, or something between the two keeps them apart.
    """

    layer: str
    channels: tuple[int, ...]
    why: str
    read: bool = False

    def __str__(self) -> str:
        """Return one line: ``conv1: channels 3, 5 are dead but stay: …``."""
        shown = ", ".join(map(str, self.channels[:6])) + (", …" if len(self.channels) > 6 else "")
        if len(self.channels) == 1:
            dead = (
                f"ignores channel {shown}, which" if self.read else f"channel {shown} is dead but"
            )
            return f"{self.layer}: {dead} stays: {self.why}"
        many = f" ({len(self.channels)} of them)" if len(self.channels) > 6 else ""
        which = f"channels {shown}{many}"
        dead = f"ignores {which}, which" if self.read else f"{which} are dead but"
        return f"{self.layer}: {dead} stay: {self.why}"


@dataclass(frozen=True)
class ShrinkReport:
    """What shrinking did.

    Attributes
    ----------
    layers : tuple of Layer
        Every layer, in the graph's order.
    stays : tuple of Staying
        What is dead in the shrunk graph and stays.
    parameters : tuple of int
        Floating-point numbers among all constants, of sparse ones the stored; before and after.
    multiply_adds : tuple of int
        Of all layers.
    """

    layers: tuple[Layer, ...]
    stays: tuple[Staying, ...]
    parameters: tuple[int, int]
    multiply_adds: tuple[int, int]

    @property
    def changed(self) -> bool:
        """Whether any layer became smaller, or a parameter less."""
        return self.parameters[0] != self.parameters[1] or any(
            layer.inputs[0] != layer.inputs[1] or layer.outputs[0] != layer.outputs[1]
            for layer in self.layers
        )

    def __str__(self) -> str:
        """Return a table of the layers, the sums, and what stays."""
        rows: list[tuple[str, ...]] = [
            ("layer", "channels in", "channels out", "parameters", "multiply-adds")
        ]
        for layer in self.layers:
            sizes = (layer.inputs, layer.outputs, layer.parameters, layer.multiply_adds)
            rows.append((layer.name, *map(_change, sizes)))
        rows.append(("all", "", "", _change(self.parameters), _change(self.multiply_adds)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *map(str, self.stays)])


def _change(sizes: tuple[int, int]) -> str:
    before, after = sizes
    return f"{before:,}" if before == after else f"{before:,} -> {after:,}"


def make_report(before: Graph, after: Graph, stays: tuple[Staying, ...]) -> ShrinkReport:
    """Compare two graphs, of which the second is the first made smaller."""
    then = {node.name: node for node in before.nodes}
    layers = tuple(
        _layer((before, then[node.name]), (after, node))
        for node in after.nodes
        if node.name in then and is_layer(before, then[node.name])
    )
    adds = tuple(sum(layer.multiply_adds[i] for layer in layers) for i in (0, 1))
    return ShrinkReport(layers, stays, (parameters(before), parameters(after)), (adds[0], adds[1]))


def is_layer(graph: Graph, node: Node) -> bool:
    """Tell whether a node sums products with a constant: a linear layer or a convolution."""
    return node.op.base.sums_products and any(name in graph.constants for name in node.inputs)


def parameters(graph: Graph) -> int:
    """Return how many floating-point numbers a graph's constants hold, of sparse ones the stored.

    Examples
    --------
    >>> from minisparse.graph import GraphBuilder
    >>> b = GraphBuilder()
    >>> w = b.constant("w", np.ones((3, 2), "float32"))
    >>> parameters(b.build([b.op("gemm", b.input("x", ("batch", 3)), w)]))
    6
    """
    return sum(_numbers(c) for c in graph.constants.values() if c.dtype.kind not in "biu")


def _numbers(constant: Constant) -> int:
    return constant.type.nnz if isinstance(constant, Matrix) else constant.size


def _layer(*both: tuple[Graph, Node]) -> Layer:
    sizes = [_sizes(graph, node) for graph, node in both]
    pairs = [(a, b) for a, b in zip(*sizes, strict=True)]
    return Layer(both[1][1].name, both[1][1].op.name, *pairs)


def _sizes(graph: Graph, node: Node) -> tuple[int, int, int, int]:
    """Return channels in and out, parameters and multiply-adds of a layer.

    Sizes that are not known count as 1: of a batch, the multiply-adds are those of one item. Where
    an op cannot have such sizes, nothing is counted.
    """
    reads = next((n for n in node.inputs[:2] if n not in graph.constants), node.inputs[0])
    mine = [graph.constants[name] for name in node.inputs if name in graph.constants]
    types = [type.bind(dict.fromkeys(type.symbols, 1)) for type in graph.operand_types(node)]
    try:
        flops = node.op.flops(types, node.attrs)
    except MinisparseError:
        flops = 0
    ends = (_channels(graph, node, reads), _channels(graph, node, node.output))
    return (*ends, sum(map(_numbers, mine)), flops // 2)


def channel_axis(graph: Graph, node: Node, value: str) -> int:
    """Return which axis of a layer's input or output counts its channels."""
    rank = graph.types[value].ndim
    if node.op.base.name.startswith("conv"):
        return 1
    return 0 if node.op.base.name in ("spmm", "spmm_t", "spmv") else rank - 1


def _channels(graph: Graph, node: Node, value: str) -> int:
    shape = graph.types[value].shape
    axis = channel_axis(graph, node, value)
    size = shape[axis] if 0 <= axis < len(shape) else 1
    return size if isinstance(size, int) else 0


def staying(
    graph: Graph, facts: Facts, dependencies: Dependencies, decision: Decision
) -> tuple[Staying, ...]:
    """Return which channels of which layers are dead and stay, and why."""
    fine = _ignored(dependencies, decision)
    found: list[Staying] = []
    told = np.zeros(len(decision.group), bool)
    for node in graph.nodes:
        if not is_layer(graph, node):
            continue
        axis = channel_axis(graph, node, node.output)
        ids = dependencies.atoms.of(node.output, axis)
        if ids is None or graph.types[node.output].ndim == 0:
            continue
        dead = _constant_channels(graph, facts, node, axis, len(ids)) | fine[ids]
        told[decision.group[ids]] = True
        found += [Staying(node.name, at, why) for why, at in _by_reason(decision, ids, dead)]
    for sink in dependencies.sinks:
        dead = fine[sink.ids] & ~told[decision.group[sink.ids]]
        by_reason = _by_reason(decision, sink.ids, dead)
        found += [Staying(sink.node, at, why, read=True) for why, at in by_reason]
    return tuple(found)


def _by_reason(
    decision: Decision, ids: Array, dead: Array
) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Return which dead indices stay for which reason, numbered without those that go."""
    reasons: dict[str, list[int]] = {}
    for number, i in enumerate(np.flatnonzero(~decision.gone[ids])):
        if dead[i]:
            reasons.setdefault(decision.why(ids[i]), []).append(number)
    return [(why, tuple(at)) for why, at in reasons.items()]


def _constant_channels(graph: Graph, facts: Facts, node: Node, axis: int, size: int) -> Array:
    """Return which channels are constant where a layer writes them or right behind it."""
    value = node.output
    dead = facts[value].along(axis, size).known
    while len(readers := graph.readers(value)) == 1 and _works_by_channel(readers[0]):
        value = readers[0].output
        if graph.types[value].ndim <= axis or graph.types[value].shape[axis] != size:
            break
        dead = dead | facts[value].along(axis, size).known
    return dead


def _works_by_channel(node: Node) -> bool:
    return node.op.elementwise or node.op.name == "batch_normalization"


def _ignored(dependencies: Dependencies, decision: Decision) -> Array:
    """Return for each atom whether its group ends in sums of which none needs it."""
    reached = np.zeros(len(decision.group), bool)
    needed = np.zeros(len(decision.group), bool)
    for sink in dependencies.sinks:
        reached[decision.group[sink.ids]] = True
        needed[decision.group[sink.ids[sink.fails(decision.gone)]]] = True
    return (reached & ~needed)[decision.group]
