"""Networks on which each pass may find something to do, made when they are asked for."""

from collections.abc import Callable, Mapping

import numpy as np

from minisparse.bench.networks import bert_mini
from minisparse.bench.suites.networks import NETWORKS_BY_NAME
from minisparse.graph import Graph, GraphBuilder, Node
from minisparse.passes.sweep import Sweep


def spelled_out(graph: Graph) -> Graph:
    """Return a graph with layer normalization and gelu written in small ops, as of opset 13."""
    sweep = Sweep(graph)
    spelled = {"layer_normalization": _normalization, "gelu": _gelu}
    for given in graph.nodes:
        node = sweep.seen(given)
        write = spelled.get(node.op.name)
        if write is None or (node.op.name == "gelu" and node.attrs["approximate"] != "none"):
            sweep.keep(node)
        else:
            sweep.put(node, write(sweep, node))
    return sweep.result()


class _Writer:
    """Writes nodes that read each other; the last one gives what a node gave."""

    def __init__(self, sweep: Sweep, node: Node) -> None:
        self._sweep, self._node = sweep, node
        self.nodes: list[Node] = []

    def op(self, name: str, *inputs: str, last: bool = False, **attrs: object) -> str:
        from minisparse.ops import OPS

        own = self._sweep.free(f"{self._node.name}:{name}")
        output = self._node.output if last else own
        op = OPS[name]
        self.nodes.append(Node(own, op, inputs, (output,), op.complete(attrs)))
        return output

    def number(self, value: float) -> str:
        dtype = self._sweep.types[self._node.inputs[0]].dtype
        name = f"{self._node.name}:number"
        return self._sweep.constant(name, np.array(value, dtype))


def _normalization(sweep: Sweep, node: Node) -> list[Node]:
    w, (x, scale, *bias) = _Writer(sweep, node), node.inputs
    centered = w.op("sub", x, w.op("reduce_mean", x, axes=(-1,), keepdims=1))
    squares = w.op("pow", centered, w.number(2.0))
    variance = w.op("reduce_mean", squares, axes=(-1,), keepdims=1)
    root = w.op("sqrt", w.op("add", variance, w.number(node.attrs["epsilon"])))
    scaled = w.op("multiply", w.op("div", centered, root), scale, last=not bias)
    if bias:
        w.op("add", scaled, bias[0], last=True)
    return w.nodes


def _gelu(sweep: Sweep, node: Node) -> list[Node]:
    w, (x,) = _Writer(sweep, node), node.inputs
    erf = w.op("erf", w.op("div", x, w.number(2.0**0.5)))
    whole = w.op("multiply", x, w.op("add", erf, w.number(1.0)))
    w.op("multiply", whole, w.number(0.5), last=True)
    return w.nodes


def hidden_blocks(width: int = 1024, layers: int = 3, density: float = 0.1) -> Graph:
    """Return layers of weights in 16x16 blocks whose neurons were shuffled afterwards."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("hidden blocks")
    h = b.input("x", ("batch", width))
    order = np.arange(width)
    for i in range(layers):
        kept = rng.random((width // 16, width // 16)) < density
        w = np.kron(kept, np.ones((16, 16))) * rng.standard_normal((width, width)) / 8
        rows = rng.permutation(width) if i < layers - 1 else np.arange(width)
        shuffled = w[rows][:, order].astype("float32")
        h = b.op("gemm", h, b.constant(f"w{i}", shuffled), transB=1, name=f"layer{i}")
        h, order = b.op("relu", h, name=f"relu{i}"), rows
    return b.build({"y": h})


BUILT: Mapping[str, Callable[[], Graph]] = {
    **{name: make for name, make in NETWORKS_BY_NAME.items() if "," in name},
    "bert_mini, in small ops": lambda: spelled_out(bert_mini()),
    "layers of hidden blocks": hidden_blocks,
}
"""How each is made, by name."""
