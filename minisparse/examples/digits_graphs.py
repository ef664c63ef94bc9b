"""The example networks written twice: as graphs, and as plain NumPy to check the graphs' weights.

Weights lie in PyTorch's layout under PyTorch's names: linear ``[out, in]``, convolution
``[out, in, 3, 3]``, one value a channel for batch normalization.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from minisparse.graph import Graph, GraphBuilder

Floats = npt.NDArray[np.float32]
Weights = Mapping[str, Floats]

BN_EPSILON = 1e-5
"""What PyTorch adds to a variance by default."""


def mlp_graph(name: str, weights: Weights, metadata: Mapping[str, str]) -> Graph:
    """Return the MLP: ``x`` float32 ``[batch, 64]`` to ``logits`` ``[batch, 10]``."""
    b = GraphBuilder(name)
    h = b.input("x", ("batch", 64), "float32")
    h = b.op("relu", _linear(b, "layer1", h, weights), name="relu1")
    h = b.op("relu", _linear(b, "layer2", h, weights), name="relu2")
    return b.build({"logits": _linear(b, "layer3", h, weights)}, metadata)


def cnn_graph(name: str, weights: Weights, metadata: Mapping[str, str]) -> Graph:
    """Return the CNN: ``x`` float32 ``[batch, 1, 8, 8]`` to ``logits`` ``[batch, 10]``."""
    b = GraphBuilder(name)
    h = b.input("x", ("batch", 1, 8, 8), "float32")
    for i in (1, 2):
        kernel = b.constant(f"conv{i}.weight", weights[f"conv{i}.weight"])
        h = b.op("conv", h, kernel, pads=(1, 1, 1, 1), strides=(1, 1), name=f"conv{i}")
        parts = ("weight", "bias", "running_mean", "running_var")
        scaling = [b.constant(f"bn{i}.{part}", weights[f"bn{i}.{part}"]) for part in parts]
        h = b.op("batch_normalization", h, *scaling, epsilon=BN_EPSILON, name=f"bn{i}")
        h = b.op("relu", h, name=f"relu{i}")
        h = b.op("max_pool", h, kernel_shape=(2, 2), strides=(2, 2), name=f"pool{i}")
    h = b.op("flatten", h, axis=1, name="flatten")
    return b.build({"logits": _linear(b, "linear", h, weights)}, metadata)


def _linear(b: GraphBuilder, layer: str, x: str, weights: Weights) -> str:
    weight = b.constant(f"{layer}.weight", weights[f"{layer}.weight"])
    bias = b.constant(f"{layer}.bias", weights[f"{layer}.bias"])
    return b.op("gemm", x, weight, bias, transB=1, name=layer)


def mlp_logits(weights: Weights, pixels: Floats) -> Floats:
    """Compute what the MLP should: ``pixels`` ``[batch, 64]`` to logits ``[batch, 10]``."""
    h = pixels
    for layer in ("layer1", "layer2"):
        h = np.maximum(h @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"], 0)
    return h @ weights["layer3.weight"].T + weights["layer3.bias"]


def cnn_logits(weights: Weights, pixels: Floats) -> Floats:
    """Compute what the CNN should: ``pixels`` ``[batch, 64]`` to logits ``[batch, 10]``."""
    h = pixels.reshape(-1, 1, 8, 8)
    for i in (1, 2):
        padded = np.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        h = np.einsum("bcyxij,ocij->boyx", windows, weights[f"conv{i}.weight"])
        scale, shift, mean, variance = (
            weights[f"bn{i}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        h = np.maximum((h - mean) / np.sqrt(variance + BN_EPSILON) * scale + shift, 0)
        batch, channels, rows, columns = h.shape
        h = h.reshape(batch, channels, rows // 2, 2, columns // 2, 2).max(axis=(3, 5))
    return h.reshape(len(h), -1) @ weights["linear.weight"].T + weights["linear.bias"]
