"""Networks of well-known shapes with random weights: what they compute means nothing.

``resnet18`` after He et al., Deep residual learning for image recognition, arXiv:1512.03385, table
1; ``bert_mini`` after Turc et al., Well-read students learn better, arXiv:1908.08962: 4 layers, 256
wide, 4 heads.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.graph import Graph, GraphBuilder

_STAGES = ((1, 1), (2, 2), (4, 2), (8, 2))  # width over that of the first, and stride


def resnet18(image: int = 224, width: int = 64, classes: int = 1000, seed: int = 0) -> Graph:
    """Return ResNet-18 on images ``[batch, 3, image, image]``.

    Parameters
    ----------
    image : int
        Height and width of the images.
    width : int
        Channels of the first stage.
    classes, seed : int
        Outputs; of the random weights.

    Examples
    --------
    >>> graph = resnet18(image=32, width=8, classes=10)
    >>> len([node for node in graph.nodes if node.op.name == "conv"])
    20
    """
    rng = np.random.default_rng(seed)
    b = GraphBuilder("resnet18")

    def conv(h: str, name: str, c: int, m: int, size: int, stride: int) -> str:
        w = rng.standard_normal((m, c, size, size)) * np.sqrt(2 / (c * size * size))
        h = b.op(
            "conv", h, b.constant(f"{name}.weight", w.astype("float32")), name=name,
            pads=(size // 2,) * 4, strides=(stride, stride),
        )  # fmt: skip
        facts = [b.constant(f"{name}.norm.{i}", x) for i, x in enumerate(_norm(rng, m))]
        return b.op("batch_normalization", h, *facts, name=f"{name}.norm")

    h = b.op("relu", conv(b.input("x", ("batch", 3, image, image)), "stem", 3, width, 7, 2))
    h = b.op("max_pool", h, kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), name="pool")
    c = width
    for stage, (factor, stride) in enumerate(_STAGES, start=1):
        m = width * factor
        for block in range(2):
            name, step = f"stage{stage}.{block}", stride if block == 0 else 1
            side = conv(h, f"{name}.side", c, m, 1, step) if (c, step) != (m, 1) else h
            inner = b.op("relu", conv(h, f"{name}.first", c, m, 3, step))
            h = b.op("add", conv(inner, f"{name}.second", m, m, 3, 1), side, name=f"{name}.sum")
            h, c = b.op("relu", h), m
    h = b.op("flatten", b.op("reduce_mean", h, axes=(2, 3), name="mean"))
    w = b.constant("head.weight", (rng.standard_normal((classes, c)) * 0.05).astype("float32"))
    bias = b.constant("head.bias", np.zeros(classes, "float32"))
    return b.build({"logits": b.op("gemm", h, w, bias, transB=1, name="head")})


def _norm(rng: np.random.Generator, m: int) -> list[Array]:
    """Return scale, shift, mean and variance of a batch normalization that changes little."""
    shift, mean = (rng.standard_normal((2, m)) * 0.1).astype("float32")
    scale, var = (1 + 0.1 * rng.random((2, m))).astype("float32")
    return [scale, shift, mean, var]


def bert_mini(
    length: int = 128, layers: int = 4, width: int = 256, heads: int = 4, seed: int = 0
) -> Graph:
    """Return the encoder of BERT-mini on embeddings ``[batch, length, width]``.

    Parameters
    ----------
    length, layers, width, heads : int
        Tokens, blocks, features of a token, attention heads; linear layers between are four times
        as wide.
    seed : int
        Of the random weights.

    Examples
    --------
    >>> graph = bert_mini(length=8, layers=1, width=16, heads=2)
    >>> graph.types[graph.outputs["hidden"]]
    float32[batch, 8, 16]
    """
    rng = np.random.default_rng(seed)
    b = GraphBuilder("bert_mini")

    def linear(h: str, name: str, k: int, m: int) -> str:
        w = (rng.standard_normal((k, m)) / np.sqrt(k)).astype("float32")
        bias = b.constant(f"{name}.bias", (rng.standard_normal(m) * 0.02).astype("float32"))
        h = b.op("matmul", h, b.constant(f"{name}.weight", w), name=name)
        return b.op("add", h, bias, name=f"{name}.sum")

    def norm(h: str, name: str) -> str:
        scale = b.constant(f"{name}.scale", np.ones(width, "float32"))
        shift = b.constant(f"{name}.shift", np.zeros(width, "float32"))
        return b.op("layer_normalization", h, scale, shift, epsilon=1e-12, name=name)

    apart = b.constant("apart", [-1, length, heads, width // heads])
    joined = b.constant("joined", [-1, length, width])
    root = b.constant("root", np.float32(np.sqrt(width // heads)))
    h = b.input("x", ("batch", length, width))
    for i in range(layers):
        parts = [b.op("reshape", linear(h, f"{i}.{n}", width, width), apart) for n in "qkv"]
        q, v = (b.op("transpose", part, perm=(0, 2, 1, 3)) for part in (parts[0], parts[2]))
        k = b.op("transpose", parts[1], perm=(0, 2, 3, 1))
        scores = b.op("div", b.op("matmul", q, k, name=f"{i}.scores"), root)
        mixed = b.op("matmul", b.op("softmax", scores), v, name=f"{i}.mixed")
        flat = b.op("reshape", b.op("transpose", mixed, perm=(0, 2, 1, 3)), joined)
        h = norm(b.op("add", linear(flat, f"{i}.out", width, width), h), f"{i}.norm1")
        inner = b.op("gelu", linear(h, f"{i}.up", width, 4 * width), name=f"{i}.gelu")
        h = norm(b.op("add", linear(inner, f"{i}.down", 4 * width, width), h), f"{i}.norm2")
    return b.build({"hidden": h})
