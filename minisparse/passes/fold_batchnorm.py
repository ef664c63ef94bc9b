"""Fold batch normalization into the layer before it.

Before    p = conv(x, w, b)                          After    y = conv(x, w', b')
          y = batch_normalization(p, s, t, m, v)

Why       At inference it multiplies each channel by a constant and adds another: so does the
          layer, whose weights and bias can do it for nothing.
When      The layer is a conv or a gemm with constant weights whose result nothing else reads, and
          all of the normalization's own operands are constants.
Keeps     Every result within rounding: ``w' = w * a``, ``b' = (b - m) * a + t`` with
          ``a = s / sqrt(v + epsilon)``, computed in float64 and rounded once. Zeros of w stay.
"""

from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.symbolic import is_unknown
from minisparse.cost import Target
from minisparse.formats import Matrix
from minisparse.graph import Graph, Node
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Fold each normalization of a layer's channels into the layer's weights and bias."""
    for node in graph.nodes:
        layer = _layer_before(graph, node)
        if layer is not None:
            graph = _folded(graph, layer, node)
    return graph


def _layer_before(graph: Graph, node: Node) -> Node | None:
    """Return the layer that a normalization can be folded into, None where there is none."""
    if node.op.name != "batch_normalization":
        return None
    if not all(isinstance(graph.constants.get(name), np.ndarray) for name in node.inputs[1:]):
        return None
    layer = graph.producers.get(node.inputs[0])
    if layer is None or layer.op.name not in ("conv", "gemm"):
        return None
    alone = len(graph.readers(layer.output)) == 1 and layer.output not in graph.outputs.values()
    given = [graph.constants.get(name) for name in layer.inputs[1:]]
    if not alone or not all(isinstance(c, np.ndarray) for c in given):
        return None
    if layer.op.name == "gemm" and not _is_plain_gemm(graph, layer):
        return None
    same = {graph.types[name].dtype for name in (*layer.inputs, *node.inputs)}
    known = not any(is_unknown(d) for d in graph.types[layer.output].shape)
    return layer if len(same) == 1 and same.pop().kind == "f" and known else None


def _is_plain_gemm(graph: Graph, layer: Node) -> bool:
    width = graph.types[layer.output].shape[1]
    scales = (layer.attrs["alpha"], layer.attrs["beta"])
    return scales == (1, 1) and all(graph.types[b].shape == (width,) for b in layer.inputs[2:])


@dataclass(frozen=True)
class _Affine:
    """What a normalization does to each channel: ``x * factor + shift``, float64 ``[C]``."""

    factor: Array
    shift: Array


def _affine(graph: Graph, node: Node) -> _Affine:
    scale, shift, mean, var = (
        np.asarray(graph.constants[name], np.float64) for name in node.inputs[1:]
    )
    factor = scale / np.sqrt(var + node.attrs["epsilon"])
    return _Affine(factor, shift - mean * factor)


def _folded(graph: Graph, layer: Node, node: Node) -> Graph:
    x, w, *bias = layer.inputs
    weight = graph.constants[w]
    assert not isinstance(weight, Matrix)
    found = _affine(graph, node)
    filters_first = layer.op.name == "conv" or layer.attrs["transB"]
    factor = found.factor.reshape((-1, *(1,) * (weight.ndim - 1)) if filters_first else (1, -1))
    before = np.asarray(graph.constants[bias[0]], np.float64) if bias else 0.0
    with np.errstate(all="ignore"):
        scaled = (weight * factor).astype(weight.dtype)
        # a zero stays one beside an infinite factor: what is pruned is not computed with
        scaled = np.where(weight == 0, weight, scaled)
        shifted = (before * found.factor + found.shift).astype(weight.dtype)
    names = _own(graph, w), _own(graph, bias[0]) if bias else f"{layer.name}:shift"
    constants = {**graph.constants, names[0]: scaled, names[1]: shifted}
    merged = Node(layer.name, layer.op, (x, *names), node.outputs, layer.attrs)
    kept = (merged if n is layer else n for n in graph.nodes if n is not node)
    return graph.replace_nodes(kept, constants)


def _own(graph: Graph, name: str) -> str:
    """Return under which name a layer's constant is kept: its own, unless others read it too."""
    reads = sum(node.inputs.count(name) for node in graph.nodes)
    shared = reads > 1 or name in graph.outputs.values()
    return f"{name}:folded" if shared else name


FOLD_BATCHNORM = Pass("fold_batchnorm", run)
