"""The shipped models: small, really pruned, and the same labels whichever way they are run."""

import json
from dataclasses import replace

import numpy as np
import pytest

import minisparse as ms
from minisparse import examples
from minisparse.api import compile_dense
from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import Layout
from minisparse.cost import Target, candidates
from minisparse.dispatch import make_plan
from minisparse.evaluation import labels_of
from minisparse.formats import find_pattern
from minisparse.graph import Graph, load
from minisparse.oracle import run_exact
from minisparse.passes import PASSES, run_passes
from minisparse.runtime import Executable

FOLDER = examples.model_path("digits_mlp").parent
TRAINING = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))["models"]


@pytest.fixture(scope="module", params=examples.names())
def graph(request: pytest.FixtureRequest) -> Graph:
    return load(examples.model_path(request.param))


def images(graph: Graph) -> Array:
    pixels, _ = examples.test_set()
    (type,) = graph.inputs.values()
    return pixels.reshape(len(pixels), *(d for d in type.shape[1:] if isinstance(d, int)))


def test_everything_shipped_is_under_a_megabyte() -> None:
    assert sum(file.stat().st_size for file in FOLDER.glob("*.npz")) < 1_000_000
    assert set(TRAINING) == set(examples.names())


def test_zeros_are_where_they_should_be() -> None:
    mlp, blocks, cnn = (
        load(examples.model_path(f"digits_{name}")).constants
        for name in ("mlp", "mlp_blocks", "cnn")
    )
    for layer, shape in (("layer1", (512, 64)), ("layer2", (256, 512)), ("layer3", (10, 256))):
        weight = np.asarray(mlp[f"{layer}.weight"])
        assert weight.shape == shape
        assert np.count_nonzero(weight == 0) == round(0.9 * weight.size)
    for layer in ("layer1", "layer2"):
        pattern = find_pattern(np.asarray(blocks[f"{layer}.weight"]))
        assert pattern.block_occupancy(8) == pytest.approx(0.2, abs=0.005)
    for layer, filters in (("conv1", 16), ("conv2", 32)):
        weight = np.asarray(cnn[f"{layer}.weight"])
        assert len(weight) == filters
        assert np.count_nonzero(weight.reshape(filters, -1).any(axis=1)) == filters // 2


def test_accuracy_is_what_training_printed_and_within_a_point_of_dense(graph: Graph) -> None:
    _, labels = examples.test_set()
    recorded = TRAINING[graph.name]
    found = ms.evaluate(ms.compile(graph, sizes={"batch": 360}), images(graph), labels)
    assert found.accuracy == pytest.approx(recorded["accuracy"], abs=1e-6)
    assert found.accuracy >= recorded["dense_accuracy"] - 0.01
    assert graph.metadata["dense_accuracy"]


def test_labels_are_the_same_dense_sparse_at_every_level_and_exactly(graph: Graph) -> None:
    x = images(graph)
    dense = labels_of(compile_dense(graph, sizes={"batch": 360}), x)
    for level in ("vectorized", "loops"):
        plan = ms.compile(graph, level=level, sizes={"batch": 360})
        np.testing.assert_array_equal(labels_of(plan, x), dense, err_msg=level)
    (exact,) = run_exact(graph, {"x": x}).values()
    np.testing.assert_array_equal(exact.argmax(axis=1), dense)


@pytest.mark.parametrize(
    "layout", [*map(Layout, ("coo", "csr", "csc")), Layout("bsr", (8, 8))], ids=str
)
def test_labels_are_the_same_in_every_format_at_every_level(graph: Graph, layout: Layout) -> None:
    x = images(graph)
    dense = labels_of(compile_dense(graph, sizes={"batch": 360}), x)
    for level, count in (("vectorized", 360), ("loops", 12)):
        plan = stored_as(graph, layout, level)
        assert any(step.chosen.layout == layout for step in plan.steps)
        np.testing.assert_array_equal(labels_of(plan, x[:count]), dense[:count], err_msg=level)


def stored_as(graph: Graph, layout: Layout, level: str) -> Executable:
    """Return a plan in which every weight that can be is stored in one layout."""
    target = Target(sizes={"batch": 360}, levels=(level,))
    late = ("select_format", "insert_conversions", "fold_constants", "fuse_epilogue")
    lowered, _ = run_passes(graph, target, PASSES, skip=late)
    sized = target.bind(lowered)
    nodes = []
    for node in lowered.nodes:
        offered = {candidate.layout for candidate in candidates(sized, node, target)}
        at = node.op.weight
        wishes = {at: layout} if at is not None and layout in offered else {}
        nodes.append(replace(node, wants=wishes))
    early = [name for name in PASSES if name not in late[1:]]
    compiled, _ = run_passes(lowered.replace_nodes(nodes), target, PASSES, skip=early)
    plan = make_plan(graph, compiled, target)
    return Executable(plan.given, plan.graph, plan.target, plan.steps, plan.reports)


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"digits_cnn, digits_mlp, digits_mlp_blocks"):
        examples.model_path("imagenet")
