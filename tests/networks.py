"""Small networks with many kinds of zeros, and what they compute by the ops' own meaning."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix
from minisparse.graph import Graph, GraphBuilder

PATTERNS = ("none", "random", "rows", "columns", "blocks", "2:4", "all", "one")


def pruned(rng: np.random.Generator, m: int, k: int, pattern: str) -> Array:
    """Return float32 weights [m, k] with zeros of a kind."""
    w = rng.standard_normal((m, k)).astype("float32")
    keep = np.ones((m, k), bool)
    if pattern == "random":
        keep = rng.random((m, k)) < 0.2
    elif pattern == "rows":
        keep[rng.permutation(m)[: m // 2]] = False
    elif pattern == "columns":
        keep[:, rng.permutation(k)[: k // 2]] = False
    elif pattern == "blocks":
        coarse = rng.random((-(-m // 4), -(-k // 4))) < 0.3
        keep = np.kron(coarse, np.ones((4, 4), bool))[:m, :k]
    elif pattern == "2:4":
        keep = (np.arange(k) % 4 < 2) & np.ones((m, 1), bool)
    elif pattern == "all":
        keep[:] = False
    elif pattern == "one":
        keep = np.zeros((m, k), bool)
        keep[m - 1, 0] = True
    return np.where(keep, w, np.float32(0))


def perceptron(pattern: str, seed: int = 0, sizes: tuple[int, ...] = (12, 24, 16, 5)) -> Graph:
    """Return linear layers with every way in which a layer can be written."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder(f"perceptron_{pattern}")
    h = b.input("x", ("batch", sizes[0]))
    for i, (k, m) in enumerate(pairwise(sizes)):
        w = pruned(rng, m, k, pattern)
        turned = i % 2 == 1
        weight = b.constant(f"w{i}", w.T.copy() if turned else w)
        operands = [h, weight]
        if i != 1:
            operands.append(b.constant(f"b{i}", rng.standard_normal(m).astype("float32")))
        h = b.op("gemm", *operands, transB=int(not turned), name=f"layer{i}")
        if i + 2 < len(sizes):
            h = b.op("relu", h, name=f"relu{i}")
    return b.build({"y": h})


def branching(pattern: str, seed: int = 0) -> Graph:
    """Return a network whose values have several readers, and whose middle is an output."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder(f"branching_{pattern}")
    x = b.input("x", ("batch", 8))
    w = b.constant("w", pruned(rng, 8, 8, pattern))
    c = b.constant("c", rng.standard_normal(8).astype("float32"))
    first = b.op("gemm", x, w, c, transB=1, name="first")
    active = b.op("relu", first, name="active")
    shared = b.op("gemm", active, w, transB=1, name="shared")
    total = b.op("add", shared, active, name="total")
    scaled = b.op("gemm", total, w, c, transB=1, alpha=0.5, name="scaled")
    return b.build({"total": total, "first": first, "scaled": scaled})


def convolutional(pattern: str, seed: int = 0) -> Graph:
    """Return two convolutions with normalization and pooling, then a linear layer."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder(f"convolutional_{pattern}")
    h = b.input("x", ("batch", 2, 6, 6))
    for i, (c, m) in enumerate(((2, 8), (8, 8))):
        w = b.constant(f"w{i}", pruned(rng, m, c * 9, pattern).reshape(m, c, 3, 3))
        h = b.op("conv", h, w, pads=(1, 1, 1, 1), name=f"conv{i}")
        facts = [rng.random(m).astype("float32") + np.float32(0.5) for _ in range(4)]
        names = [b.constant(f"{n}{i}", f) for n, f in zip("sbmv", facts, strict=True)]
        h = b.op("batch_normalization", h, *names, name=f"norm{i}")
        h = b.op("relu", h, name=f"relu{i}")
    h = b.op("max_pool", h, kernel_shape=(2, 2), strides=(2, 2), name="pool")
    h = b.op("flatten", h, name="flat")
    w = b.constant("w2", pruned(rng, 4, 72, pattern))
    return b.build({"y": b.op("gemm", h, w, transB=1, name="head")})


def encoder(pattern: str, seed: int = 0) -> Graph:
    """Return one block of a transformer: attention of two heads, then two linear layers."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder(f"encoder_{pattern}")
    x = b.input("x", ("batch", 5, 8))

    def linear(h: str, name: str, k: int, m: int) -> str:
        w = b.constant(f"{name}.w", pruned(rng, m, k, pattern).T.copy())
        bias = b.constant(f"{name}.b", rng.standard_normal(m).astype("float32"))
        return b.op("add", b.op("matmul", h, w, name=name), bias, name=f"{name}.add")

    apart, joined = b.constant("apart", [-1, 5, 2, 4]), b.constant("joined", [-1, 5, 8])
    q, k, v = (b.op("reshape", linear(x, name, 8, 8), apart) for name in "qkv")
    q, v = (b.op("transpose", h, perm=(0, 2, 1, 3)) for h in (q, v))
    scores = b.op("matmul", q, b.op("transpose", k, perm=(0, 2, 3, 1)), name="scores")
    mixed = b.op("matmul", b.op("softmax", scores, axis=-1), v, name="mixed")
    flat = b.op("reshape", b.op("transpose", mixed, perm=(0, 2, 1, 3)), joined)
    h = b.op("add", linear(flat, "o", 8, 8), x, name="residual")
    scale = [b.constant(n, rng.random(8).astype("float32")) for n in ("scale", "shift")]
    h = b.op("layer_normalization", h, *scale, name="norm")
    wide = b.op("gelu", linear(h, "up", 8, 12), name="gelu")
    return b.build({"y": b.op("add", linear(wide, "down", 12, 8), h, name="out")})


def in_double(graph: Graph) -> Graph:
    """Return a graph of float64, in which a pass that computes weights anew hardly rounds them."""
    inputs = {n: replace(t, dtype=np.dtype("float64")) for n, t in graph.inputs.items()}
    constants = {
        name: c.astype("float64") if c.dtype.kind == "f" else c
        for name, c in graph.constants.items()
    }
    return replace(graph, inputs=inputs, constants=constants)


NETWORKS = (perceptron, branching, convolutional, encoder)


def feeds_for(graph: Graph, batch: int = 3, seed: int = 1) -> dict[str, Array]:
    """Return normal float32 inputs."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(type.bind({"batch": batch}).dims).astype("float32")
        for name, type in graph.inputs.items()
    }


def meaning(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return the outputs by the ops' dense meaning in float64, one node after another."""
    values: dict[str, Array] = {name: x.astype("float64") for name, x in feeds.items()}
    for name, constant in graph.constants.items():
        dense = constant.to_dense() if isinstance(constant, Matrix) else constant
        values[name] = dense.astype("float64") if dense.dtype.kind == "f" else dense
    for node in graph.nodes:
        operands = [values[name] for name in node.inputs]
        if node.op.base.name == "conv" and operands[1].ndim == 2:
            channels = operands[0].shape[1]
            shape = (len(operands[1]), channels, *node.attrs["kernel_shape"])
            operands[1] = operands[1].reshape(shape)
        (output,) = node.outputs
        values[output] = node.op.dense(operands, node.attrs)
    return {name: values[value] for name, value in graph.outputs.items()}
