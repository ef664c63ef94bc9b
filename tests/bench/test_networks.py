"""Networks of well-known shapes: their sizes, what pruning them leaves, and the suite of them."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.bench.networks import bert_mini, resnet18
from minisparse.bench.suites import SUITES
from minisparse.bench.suites.networks import NETWORKS_BY_NAME
from minisparse.graph import Graph
from tests.networks import in_double

SUITE = SUITES["networks"]


def parameters(graph: Graph) -> int:
    return sum(np.asarray(c).size for c in graph.constants.values() if c.dtype.kind == "f")


def test_resnet18_has_the_parameters_of_the_paper() -> None:
    # 11 689 512 with torchvision's 1000 classes; four statistics a channel here, of which two count
    graph = resnet18()
    statistics = sum(
        np.asarray(c).size for name, c in graph.constants.items() if name.endswith((".2", ".3"))
    )
    assert parameters(graph) - statistics == 11_689_512
    assert graph.types[graph.outputs["logits"]].shape == ("batch", 1000)
    assert graph.bind(batch=1).types["stage4.1.sum"].shape == (1, 512, 7, 7)


def test_bert_mini_has_the_parameters_of_its_encoder() -> None:
    block = 4 * (256 * 256 + 256) + 2 * (256 * 1024) + 1024 + 256 + 4 * 256
    assert parameters(bert_mini()) == 4 * block + 1  # and the root by which scores are divided


@pytest.mark.parametrize(
    "graph", [resnet18(32, 8, 10), bert_mini(8, 2, 16, 2)], ids=lambda graph: graph.name
)
def test_small_ones_compute_the_same_in_both_widths(graph: Graph) -> None:
    rng = np.random.default_rng(0)
    ((name, type),) = graph.inputs.items()
    x = rng.standard_normal(type.bind({"batch": 2}).dims).astype("float32")
    (wide,) = ms.compile(in_double(graph)).run({name: x.astype("float64")}).values()
    for pruned in (graph, ms.prune(graph, "magnitude", sparsity=0.0)):
        (found,) = ms.compile(pruned).run({name: x}).values()
        np.testing.assert_allclose(found, wide, rtol=1e-3, atol=1e-4 * np.abs(wide).max())


def test_half_of_the_channels_can_go_everywhere_but_at_the_end() -> None:
    graph = ms.prune(resnet18(32, 8, 10), "channel", sparsity=0.5)
    found = ms.recognize(graph, permute=False)
    for weight in found.weights:
        wanted = 0 if weight.layer == "head" else weight.shape[0] // 2
        assert len(weight.dead_outputs) == wanted, weight.layer


def test_the_suite_names_what_it_promises() -> None:
    told = {name for promise in SUITE.promises for name in promise.patterns}
    assert told == set(NETWORKS_BY_NAME)
    assert {cell.pattern for cell in SUITE.cells()} == set(NETWORKS_BY_NAME)
    assert {name for p in SUITE.promises for name in p.peers} == {"onnxruntime", "reference"}
