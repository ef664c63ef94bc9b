"""Whole networks from PyTorch: they agree with torch, and keep their names and free sizes."""

import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')

import torch

import minisparse as ms
from tests.frontends.torch_networks import Bert, Gpt, MobileNetV2, ResNet18, settled

IDS = torch.arange(21).view(3, 7) % 11
MASK = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 6 + [0]])
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5


def largest_error(graph: ms.Graph, module: Any, feeds: Mapping[str, Any]) -> float:
    """Return the largest difference between a plan's outputs and torch's, beside the largest."""
    found = ms.compile(graph).run({n: np.asarray(t) for n, t in feeds.items()})
    with torch.no_grad():
        wanted = torch.utils._pytree.tree_leaves(module.eval()(**feeds))
    errors = []
    for ours, theirs in zip(found.values(), wanted, strict=True):
        exact = theirs.numpy()
        assert (ours.shape, ours.dtype) == (exact.shape, exact.dtype)
        largest = max(float(np.abs(exact).max()), 1e-30)
        errors.append(float(np.abs(ours - exact).max()) / largest)
    return max(errors)


NETWORKS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "ResNet18": (ResNet18, {"x": IMAGES}, True),
    "MobileNetV2": (MobileNetV2, {"x": IMAGES}, True),
    "Bert": (Bert, {"input_ids": IDS, "attention_mask": MASK}, ("batch", "seq")),
    "Gpt": (Gpt, {"ids": IDS}, ("batch", "seq")),
}


@cache
def imported(name: str) -> tuple[Any, ms.Graph]:
    """Return a network and its graph, as many tests look at them."""
    make, inputs, dynamic = NETWORKS[name]
    module = settled(make())
    return module, ms.from_torch(module, keywords=inputs, dynamic=dynamic)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_agree_with_torch_at_any_size(name: str) -> None:
    _, inputs, dynamic = NETWORKS[name]
    module, graph = imported(name)
    assert largest_error(graph, module, inputs) < 5e-6
    other = {n: t[:1].repeat(5, *[1] * (t.ndim - 1)) for n, t in inputs.items()}
    if dynamic is not True:
        other = {n: t[:, :4].contiguous() for n, t in other.items()}
    assert largest_error(graph, module, other) < 5e-6


@pytest.mark.parametrize("name", ["ResNet18", "Bert"])
def test_networks_in_float64_agree_to_the_last_digits(name: str) -> None:
    make, inputs, _ = NETWORKS[name]
    module = settled(make()).double()
    wide = {n: t.double() if t.is_floating_point() else t for n, t in inputs.items()}
    graph = ms.from_torch(module, wide, dynamic=False)
    assert graph.symbols == ()
    assert largest_error(graph, module, wide) < 1e-12


def test_constants_and_nodes_have_the_names_of_the_module() -> None:
    graph = imported("ResNet18")[1]
    state = {n: t for n, t in ResNet18().state_dict().items() if not n.endswith("_tracked")}
    assert set(state) <= set(graph.constants)
    for name in ("conv1", "layer1.0.bn2", "layer2.0.downsample.0", "layer4.1.conv2", "fc"):
        assert graph.node(name).op.name in ("conv", "batch_normalization", "gemm")
    assert graph.node("layer1.0.add").op.name == "add"
    assert str(graph.inputs["x"]) == "float32[batch, 3, 32, 32]"
    assert graph.metadata["mode"] == "eval"


def test_a_layer_is_one_node() -> None:
    graph = ms.from_torch(torch.nn.Linear(3, 2), torch.zeros(4, 3))
    assert str(graph).splitlines() == [
        "graph Linear(input: float32[batch, 3]) -> output",
        "  const weight  float32[2, 3]",
        "  const bias    float32[2]",
        "  linear        = gemm(input, weight, bias, transB=1)  float32[batch, 2]",
        "  return output = linear",
    ]


def test_sizes_are_computed_once_and_as_names() -> None:
    graph = imported("Bert")[1]
    shapes = [node for node in graph.nodes if node.op.name == "shape"]
    assert [graph.types[node.output].known for node in shapes] == [("seq",), ("batch",)]
    assert graph.types[graph.outputs["last_hidden_state"]].shape == ("batch", "seq", 32)
    assert graph.types[graph.outputs["pooled"]].shape == ("batch", 32)
    assert graph.node("layer.0.attention.view").inputs[1] == "[0, 0, 4, 8]"


def test_tied_weights_are_one_constant() -> None:
    graph = imported("Gpt")[1]
    assert "wte.weight" in graph.constants
    assert "lm_head.weight" not in graph.constants
    assert [n.op.name for n in graph.readers("wte.weight")] == ["gather", "gemm"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_modules(dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason='bfloat16: pip install "minisparse[io]"')
    module = settled(Bert(layers=1)).to(getattr(torch, dtype))
    graph = ms.from_torch(module, IDS)
    assert graph.constants["layer.0.output.weight"].dtype.name == dtype
    found = ms.compile(graph).run({"input_ids": IDS.numpy()})["pooled"]
    with torch.no_grad():
        wanted = module(IDS)["pooled"].float().numpy()
    assert found.dtype.name == dtype
    np.testing.assert_allclose(found.astype(np.float32), wanted, atol=0.02)


def test_a_module_in_training_mode_is_read_in_eval_mode_and_left_as_it_is() -> None:
    module = settled(MobileNetV2()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    graph = ms.from_torch(module, IMAGES)
    assert all(part.training for part in module.modules())
    assert all(torch.equal(before[name], now) for name, now in module.state_dict().items())
    assert all(p.requires_grad for p in module.parameters())
    assert largest_error(graph, module, {"x": IMAGES}) < 5e-6


class Results(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    def forward(self, x: Any, *, factor: int = 2, more: Any = None) -> Any:
        return {"plain": x * factor, "nested": (x + 1, [x.shape[0] + x, None]), "same": x}


def test_results_are_named_by_how_they_are_returned() -> None:
    graph = ms.from_torch(Results(), torch.ones(2, 3), keywords={"factor": 3})
    assert list(graph.outputs) == ["plain", "nested.0", "nested.1.0", "same"]
    found = ms.compile(graph).run({"x": np.ones((5, 3), np.float32)})
    assert [float(found[n][0, 0]) for n in found] == [3, 2, 6, 1]
    pair = ms.from_torch(torch.nn.LSTM(3, 2, batch_first=True), torch.ones(1, 4, 3))
    assert list(pair.outputs) == ["output_0", "output_1.0", "output_1.1"]


def test_an_example_may_be_arrays_or_keywords_or_a_program() -> None:
    layer = torch.nn.Linear(3, 2)
    by_array = ms.from_torch(layer, np.ones((4, 3), np.float32))
    by_name = ms.from_torch(layer, {"input": torch.ones(4, 3)})
    assert str(by_array) == str(by_name)
    program = torch.export.export(layer, (torch.ones(4, 3),))
    assert str(ms.from_torch(program).inputs["input"]) == "float32[4, 3]"


def test_bert_from_transformers() -> None:
    pytest.importorskip("transformers", reason='needs pip install "minisparse[models]"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        )
        module = settled(BertModel(config))
    inputs = {"input_ids": IDS, "attention_mask": MASK}
    graph = ms.from_torch(module, inputs, dynamic=("batch", "seq"))
    assert "encoder.layer.0.attention.self.query.weight" in graph.constants
    assert graph.node("encoder.layer.0.output.dense").op.name == "gemm"
    assert list(graph.outputs) == ["last_hidden_state", "pooler_output"]
    assert largest_error(graph, module, inputs) < 5e-6
    wide = ms.from_torch(module.double(), inputs, dynamic=False)
    assert largest_error(wide, module, inputs) < 1e-12


class Sizes(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """What is computed from sizes: bounds of slices, shapes, numbers."""

    def forward(self, x: Any) -> Any:
        rows, columns = x.shape
        half = x[:, : columns // 2]
        apart = x.reshape(rows * 2, -1) if columns % 2 == 0 else x
        mean = x.sum(1) / columns + max(rows, 1) - rows
        return half, apart, mean, x.new_zeros(rows + 1), torch.arange(columns) * rows


def test_arithmetic_on_sizes_holds_at_other_sizes() -> None:
    module = Sizes()
    graph = ms.from_torch(module, torch.ones(4, 6), dynamic=("rows", "columns"))
    assert graph.types[graph.outputs["output_3"]].shape == ("rows + 1",)
    for rows, columns in ((4, 6), (3, 10), (1, 2)):
        x = torch.arange(float(rows * columns)).view(rows, columns)
        assert largest_error(graph, module, {"x": x}) < 1e-6


class Guarded(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A module of which torch.export keeps parts as programs of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(6, 6)

    def forward(self, x: Any) -> Any:
        with torch.no_grad():
            y = self.fc(x)
        with torch.autocast("cpu", enabled=False):
            return torch.relu(y.float()) + x


def test_what_torch_wraps_is_written_in_its_place() -> None:
    module, x = Guarded(), torch.arange(24.0).view(4, 6) / 10 - 1
    graph = ms.from_torch(torch.export.export(module, (x,)))
    assert [node.op.name for node in graph.nodes] == ["gemm", "relu", "add"]
    assert largest_error(graph, module, {"x": x}) < 1e-6


def test_a_graph_from_torch_can_be_saved_and_read_back(tmp_path: Path) -> None:
    graph = imported("Bert")[1]
    graph.save(tmp_path / "bert.npz")
    assert str(ms.load(tmp_path / "bert.npz")) == str(graph)
