"""Pruned and sparse parameters of PyTorch modules keep zeros, format and names."""

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')

import torch
from torch.nn.utils import prune

import minisparse as ms
from minisparse.formats import Matrix
from tests.frontends.test_torch import IDS, IMAGES, largest_error
from tests.frontends.torch_networks import Bert, ResNet18, settled

WEIGHT = torch.where(torch.arange(96).view(8, 12) % 5 < 1, torch.arange(96.0).view(8, 12) / 50, 0)


def _layers(module: Any) -> list[Any]:
    return [m for m in module.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)]


def _share_of_zeros(constant: Any) -> float:
    return float((constant == 0).mean())


def test_global_pruning_of_a_resnet() -> None:
    module = settled(ResNet18(width=4))
    chosen = [(layer, "weight") for layer in _layers(module)]
    prune.global_unstructured(chosen, pruning_method=prune.L1Unstructured, amount=0.8)
    original = module.conv1.weight_orig.detach().clone()
    graph = ms.from_torch(module, IMAGES)
    assert torch.equal(module.conv1.weight_orig, original)
    assert torch.equal(module.conv1.weight, original * module.conv1.weight_mask)
    names = [f"{name}.weight" for name, part in module.named_modules() if part in _layers(module)]
    weights = [np.asarray(graph.constants[name]) for name in names]
    zeros = sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)
    assert zeros == pytest.approx(0.8, abs=1e-3)
    assert not [name for name in graph.constants if name.endswith(("_orig", "_mask"))]
    assert largest_error(graph, module, {"x": IMAGES}) < 5e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_structured_pruning_of_a_bert(dtype: Any) -> None:
    module = settled(Bert(layers=1)).to(dtype)
    for layer in _layers(module):
        prune.ln_structured(layer, "weight", amount=0.5, n=2, dim=0)
    graph = ms.from_torch(module, IDS, dynamic=("batch", "seq"))
    weight = graph.constants["layer.0.intermediate.weight"]
    assert isinstance(weight, np.ndarray)
    assert int((~weight.any(axis=1)).sum()) == 64
    bound = 5e-6 if dtype == torch.float32 else 1e-12
    assert largest_error(graph, module, {"input_ids": IDS}) < bound
    assert any(node.op.base.name == "spmm" for node in ms.compile(graph).graph.nodes)


class Parts(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A masked weight whose mask is multiplied in ``forward``, as after loading a state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.weight_orig = torch.nn.Parameter(torch.ones(8, 12))
        self.register_buffer("weight_mask", (WEIGHT != 0).float())

    def forward(self, x: Any) -> Any:
        mask: Any = self.weight_mask
        return torch.nn.functional.linear(x, self.weight_orig * mask)


def test_masks_in_forward_and_reparametrized_weights_become_one_constant() -> None:
    graph = ms.from_torch(Parts(), torch.ones(2, 12))
    assert list(graph.constants) == ["weight"]
    assert _share_of_zeros(graph.constants["weight"]) == pytest.approx(
        float((WEIGHT == 0).float().mean())
    )
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3))
    normed = ms.from_torch(torch.nn.Sequential(layer), torch.ones(2, 4))
    assert set(normed.constants) == {"0.weight", "0.bias"}


def _stored(kind: str) -> Any:
    block = (4, 3) if kind in ("bsr", "bsc") else None
    with warnings.catch_warnings():  # that torch's sparse tensors are in beta
        warnings.simplefilter("ignore")
        return WEIGHT.to_sparse(layout=getattr(torch, f"sparse_{kind}"), blocksize=block)


class Layer(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A linear layer with any weight, called as torch allows for dense ones."""

    def __init__(self, weight: Any) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(12, 8)
        self.fc.weight = torch.nn.Parameter(weight, requires_grad=False)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.fc(x))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "bsc"])
@pytest.mark.parametrize("shape", [(5, 12), (2, 3, 12)], ids=str)
def test_sparse_weights_stay_matrices(kind: str, shape: tuple[int, ...]) -> None:
    x = torch.arange(float(np.prod(shape))).view(shape) / 10
    module = Layer(_stored(kind))
    graph = ms.from_torch(module, x)
    stored = graph.constants["fc.weight"]
    assert isinstance(stored, Matrix)
    assert stored.format == ("bsr" if kind == "bsc" else kind)
    assert "sparse" in str(module.fc.weight.layout)
    dense = Layer(WEIGHT)
    dense.fc.bias = module.fc.bias
    with torch.no_grad():
        wanted = dense(x).numpy()
    (found,) = ms.compile(graph).run({"x": x.numpy()}).values()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


class Neighbors(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A layer of a graph network: sums over neighbors, which a sparse buffer names."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.register_buffer("adjacency", WEIGHT.to_sparse_csr())

    def forward(self, x: Any) -> Any:
        adjacency: Any = self.adjacency
        y = torch.sparse.mm(adjacency, x)
        return y, adjacency @ x, y.T @ adjacency, adjacency.t() @ y


def test_sparse_buffers_stand_in_products_on_either_side() -> None:
    graph = ms.from_torch(Neighbors(), torch.ones(12, 2), dynamic=False)
    assert [n.op.name for n in graph.nodes if n.op.name != "transpose"] == [
        "spmm",
        "spmm",
        "dsmm",
        "spmm",
    ]
    x = np.arange(24, dtype=np.float32).reshape(12, 2)
    a = WEIGHT.numpy()
    found = ms.compile(graph).run({"x": x})
    wanted = [a @ x, a @ x, (a @ x).T @ a, a.T @ (a @ x)]
    for ours, exact in zip(found.values(), wanted, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-5)


def test_a_sparse_weight_where_only_plain_ones_can_be_is_converted_in_sight() -> None:
    class Table(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(_stored("csr"), requires_grad=False)

        def forward(self, x: Any) -> Any:
            return x + self.weight, torch.cat([x, self.weight])

    graph = ms.from_torch(Table(), torch.ones(8, 12), dynamic=False)
    assert [node.op.name for node in graph.nodes] == ["convert", "add", "concat"]
    found, joined = ms.compile(graph).run({"x": np.zeros((8, 12), np.float32)}).values()
    np.testing.assert_array_equal(found, WEIGHT.numpy())
    np.testing.assert_array_equal(joined[8:], WEIGHT.numpy())


def test_semi_structured_weights_are_two_of_four() -> None:
    from torch.sparse._semi_structured_conversions import sparse_semi_structured_from_dense_cutlass
    from torch.sparse.semi_structured import SparseSemiStructuredTensorCUTLASS

    dense = torch.zeros(64, 64, dtype=torch.float16)
    dense[:, 1::4], dense[:, 2::4] = 0.5, torch.arange(64.0).half()[:, None] / 64
    packed, meta = sparse_semi_structured_from_dense_cutlass(dense)
    with warnings.catch_warnings():  # that they are a prototype
        warnings.simplefilter("ignore")
        weight = SparseSemiStructuredTensorCUTLASS(dense.shape, packed, meta, None, None, None)
        layer = torch.nn.Linear(64, 64, bias=False).half()
        layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    graph = ms.from_torch(layer, torch.ones(2, 64).half())
    stored = graph.constants["weight"]
    assert isinstance(stored, Matrix)
    assert (stored.format, stored.block) == ("nm", (2, 4))
    np.testing.assert_array_equal(stored.to_dense(), dense.numpy())
