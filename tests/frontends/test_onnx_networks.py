"""Whole networks, exported by PyTorch, read from ONNX, and compared with what PyTorch computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.cli import main
from minisparse.frontends.onnx.fallback import is_reference

pytest.importorskip("onnx", reason='ONNX: pip install "minisparse[onnx]"')
torch = pytest.importorskip("torch", reason='PyTorch: pip install "minisparse[torch]"')

from torch.nn.utils import prune  # noqa: E402

from tests.frontends.torch_networks import Bert, Gpt, ResNet18, settled  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((3, 3, 48, 48)).astype(np.float32)
WORDS = RNG.integers(0, 50, (3, 9))
MASK = np.where(np.arange(9) < [[9], [5], [7]], 1, 0).astype(np.int64)
TOLERANCE = 1e-5
"""Of the largest output: two float32 runs that sum in other orders, a hundred layers deep."""

NETWORKS: dict[str, tuple[Any, dict[str, Any], dict[int, str]]] = {
    "resnet": (lambda: ResNet18(4), {"x": IMAGES}, {0: "batch"}),
    "bert": (Bert, {"input_ids": WORDS, "attention_mask": MASK}, {0: "batch", 1: "seq"}),
    "gpt": (Gpt, {"ids": WORDS}, {0: "batch", 1: "seq"}),
}


def exported(module: Any, feeds: dict[str, Any], sizes: dict[int, str], path: Path) -> Any:
    """Export a module with smaller inputs than it will be run on; return its right answers."""
    smaller = tuple(torch.from_numpy(x[:2]) for x in feeds.values())
    torch.onnx.export(
        module, smaller, path, input_names=list(feeds), dynamo=False, opset_version=17,
        dynamic_axes=dict.fromkeys(feeds, sizes),
    )  # fmt: skip
    with torch.no_grad():
        found = module(*(torch.from_numpy(x) for x in feeds.values()))
    values = found.values() if isinstance(found, dict) else [found]
    return [value.numpy() for value in values]


def zero_most(module: Any) -> None:
    """Prune nine of ten weights of all linear layers and convolutions."""
    layers = [
        (layer, "weight")
        for layer in module.modules()
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)
    ]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.9)
    for layer, name in layers:
        prune.remove(layer, name)


@pytest.mark.filterwarnings("ignore")  # the exporter's own
@pytest.mark.parametrize("pruned", [False, True], ids=["dense", "pruned"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_agree_with_torch(name: str, pruned: bool, tmp_path: Path) -> None:
    make, feeds, sizes = NETWORKS[name]
    module = settled(make())
    if pruned:
        zero_most(module)
    wanted = exported(module, feeds, sizes, tmp_path / "model.onnx")
    graph = ms.load(tmp_path / "model.onnx")
    assert not any(is_reference(node.op) for node in graph.nodes)
    assert set(graph.symbols) == set(sizes.values())
    outputs = ms.compile(graph).run(feeds)
    for got, right in zip(outputs.values(), wanted, strict=True):
        assert got.dtype == right.dtype
        assert np.abs(got - right).max() <= TOLERANCE * np.abs(right).max()


@pytest.mark.filterwarnings("ignore")
def test_the_command_line_runs_onnx_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 4))
    zero_most(module)
    feeds = {"x": IMAGES.reshape(-1, 48)[:, :20].copy()}
    exported(module, feeds, {0: "batch"}, tmp_path / "model.onnx")
    assert main(["run", str(tmp_path / "model.onnx")]) == 0
    assert "x float32[batch, 20]" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_bert_from_transformers_with_free_sizes() -> None:
    """What torch.export makes of it: shapes are computed by the model, from two free sizes."""
    transformers = pytest.importorskip("transformers", reason='pip install "minisparse[models]"')
    pytest.importorskip("onnxscript", reason='pip install "minisparse[models]"')
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=32,
    )  # fmt: skip
    module = settled(transformers.BertModel(config))
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("seq")}
    names = ("input_ids", "attention_mask")
    program = torch.onnx.export(
        module, kwargs={name: torch.ones(2, 9, dtype=torch.int64) for name in names},
        dynamo=True, dynamic_shapes=dict.fromkeys(names, sizes), verbose=False,
    )  # fmt: skip
    graph = ms.load(program.model_proto)
    assert not [node.name for node in graph.nodes if is_reference(node.op)]
    assert graph.inputs["input_ids"].shape == ("batch", "seq")
    plan = ms.compile(graph)
    for batch, length in ((3, 9), (1, 1), (2, 32)):
        words = RNG.integers(0, 50, (batch, length))
        mask = np.ones_like(words)
        mask[:, length // 2 + 1 :] = 0
        with torch.no_grad():
            found = module(torch.from_numpy(words), torch.from_numpy(mask))
        outputs = plan.run({"input_ids": words, "attention_mask": mask})
        for got, wanted in zip(outputs.values(), found.values(), strict=True):
            error = np.abs(got - wanted.numpy()).max() / np.abs(wanted.numpy()).max()
            assert error < TOLERANCE
    with pytest.raises(ms.ShapeError, match="node '"):  # it has positions for 32 tokens
        plan.run(dict.fromkeys(names, np.ones((1, 33), np.int64)))
