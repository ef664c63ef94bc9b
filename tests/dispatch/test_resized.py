"""Runs of another magnitude are computed by what is cheapest for them, and mean the same."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import DENSE, Layout
from minisparse.dispatch import resized
from minisparse.dispatch.resized import in_layout
from minisparse.formats import from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.runtime import Executable

RNG = np.random.default_rng(0)


def sparse(*shape: int, density: float = 0.05) -> Array:
    x = RNG.standard_normal(shape).astype("float32")
    x[RNG.random(shape) >= density] = 0
    return x


def layer() -> Graph:
    b = GraphBuilder("layer")
    x, w = b.input("x", ("batch", 96)), b.constant("w", sparse(64, 96))
    h = b.op("gemm", x, w, transB=1, name="fc")
    return b.build({"y": b.op("relu", h)})


def filters() -> Graph:
    b = GraphBuilder("filters")
    x = b.input("x", ("batch", 16, 8, 8))
    return b.build({"y": b.op("conv", x, b.constant("w", sparse(24, 16, 3, 3)), name="fc")})


def feeds(graph: Graph, batch: int) -> dict[str, Array]:
    type = graph.inputs["x"].bind({"batch": batch})
    return {"x": RNG.standard_normal(type.dims).astype("float32")}


@pytest.fixture
def _always_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is cheapest by the least is taken."""
    monkeypatch.setattr(resized, "GAIN", 1.0)


@pytest.mark.usefixtures("_always_gain")
@pytest.mark.parametrize("graph", [layer(), filters()], ids=lambda g: g.name)
@pytest.mark.parametrize("way", ["dense", "csr", "bsr 4x4", "csc"])
def test_other_kernels_compute_the_same(graph: Graph, way: str) -> None:
    """The slowest candidate for 64 is the plan's; runs of 1 and 1024 find better ones."""
    plan = ms.compile(graph, choose={"fc": way})
    free = unforced(plan)
    for batch in (1, 16, 600):
        given = feeds(graph, batch)
        expected = plan.run(given)["y"]
        assert not plan.resizes.steps_for({"batch": batch})  # what was asked for stays
        np.testing.assert_allclose(free.run(given)["y"], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(free.trace(given).outputs["y"], free.run(given)["y"])


def unforced(plan: Executable) -> Executable:
    """Return a plan as if what was asked for had been chosen."""
    return replace(plan, target=replace(plan.target, choose={}))


@pytest.mark.usefixtures("_always_gain")
def test_what_a_run_uses_is_told_by_its_trace() -> None:
    offered = ms.compile(layer(), sizes={"batch": 1000}).step("fc").candidates
    loser = [c.name for c in offered if c.level == "vectorized"][-1]
    plan = ms.compile(layer(), choose={"fc": loser})
    free = unforced(plan)
    (found,) = free.resizes.steps_for({"batch": 1000}).values()
    assert found.step.chosen.name != loser
    assert found.step.why.startswith("for batch 1000: predicted ")
    assert f"times as fast as {loser}" in found.step.why
    (record,) = (r for r in free.trace(feeds(layer(), 1000)).records if r.step.node.name == "fc")
    assert record.step.chosen.name == found.step.chosen.name
    assert free.resizes.nbytes > 0


def test_the_plan_of_expected_sizes_is_left_alone() -> None:
    plan = ms.compile(layer(), sizes={"batch": 64})
    for batch in (40, 64, 100):
        assert plan.resizes.steps_for({"batch": batch}) == {}
    assert ms.compile(layer(), dynamic=False).resizes.steps_for({"batch": 1}) == {}


@pytest.mark.usefixtures("_always_gain")
def test_sizes_of_one_magnitude_share_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ms.compile(layer(), sizes={"batch": 64})
    first = plan.resizes.steps_for({"batch": 4096})
    assert plan.resizes.steps_for({"batch": 5000}) is first
    monkeypatch.setattr(resized, "KEPT", 1)
    plan.resizes.steps_for({"batch": 1})
    plan.resizes.steps_for({"batch": 4})
    assert plan.resizes.steps_for({"batch": 4096}) is not first


@pytest.mark.parametrize("way", ["dense", "csr", "coo", "csc", "bsr", "nm"])
@pytest.mark.parametrize("wanted", [DENSE, Layout("csr"), Layout("bsr", (4, 4)), Layout("coo")])
def test_a_weight_changes_its_layout_and_nothing_else(way: str, wanted: Layout) -> None:
    dense = np.kron(np.eye(4), [[1, 0], [0, 2]]).astype("float32")
    layouts: dict[str, dict[str, Any]] = {"bsr": {"block": (2, 2)}, "nm": {"n": 2, "m": 4}}
    more = layouts.get(way, {})
    stored = dense if way == "dense" else from_dense(dense, way, **more)
    found = in_layout(stored, wanted, (8, 4, 2))
    if wanted == DENSE:
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found.reshape(8, 8), dense)
        return
    assert not isinstance(found, np.ndarray)
    assert found.type.layout == wanted
    np.testing.assert_array_equal(found.to_dense(), dense)
    if wanted.format != "bsr":
        assert found.nnz == 8  # no padding handed on
