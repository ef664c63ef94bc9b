"""Plans for a GPU on the pretend device: what they give, and what goes over the bus, counted."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse import examples
from minisparse.core.errors import MissingExtraError, UnsupportedOpError, UsageError
from minisparse.graph import Graph
from minisparse.ops import Op
from minisparse.ops.body import Body
from minisparse.ops.node import Node
from minisparse.ops.shapes import IDENTITY
from minisparse.runtime import DidRun, events, measure_memory
from minisparse.runtime.equivalence import random_feeds
from tests import networks
from tests.pretend.array import Ndarray
from tests.pretend_device import PretendCupy

MODELS = ("digits_mlp.npz", "digits_mlp_blocks.npz", "digits_cnn.npz")
FOLDER = Path(examples.__file__).parent


def there(feeds: Mapping[str, Any], cupy: PretendCupy) -> dict[str, Any]:
    return {name: cupy.asarray(x) for name, x in feeds.items()}


def same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare outputs on the device with those of main memory, which may round otherwise."""
    assert found.keys() == wanted.keys()
    for name, x in found.items():
        assert isinstance(x, Ndarray), name
        assert x.dtype == wanted[name].dtype, name
        np.testing.assert_allclose(x.get(), wanted[name], rtol=1e-5, atol=1e-4, err_msg=name)


def both(graph: Graph, feeds: Mapping[str, Any], cupy: PretendCupy, fetches: int = 0) -> Any:
    """Return the plan for the device, whose results are those of main memory.

    Weights go there when it is made, and nothing else; in a run so many numbers are fetched.
    """
    wanted = ms.compile(graph).run(feeds)
    cupy.transfers.clear()
    plan = ms.compile(graph, target="gpu")
    given = there(feeds, cupy)
    cupy.transfers.clear()
    found = plan.run(given)
    fetched = [t.by for t in cupy.transfers if t.to == "host"]
    assert len(fetched) == fetches, fetched
    same(found, wanted)
    return plan


@pytest.mark.parametrize("model", MODELS)
def test_examples_run_on_a_device(model: str, pretend_cupy: PretendCupy) -> None:
    graph = ms.load(FOLDER / model)
    feeds = random_feeds(graph, 0)
    wanted = ms.compile(graph).run(feeds)
    pretend_cupy.transfers.clear()
    plan = ms.compile(graph, target="gpu")
    assert pretend_cupy.bytes_to("device") == plan.graph.weight_bytes
    assert pretend_cupy.bytes_to("host") == 0
    given = there(feeds, pretend_cupy)
    pretend_cupy.transfers.clear()
    found = plan.run(given)
    assert not pretend_cupy.transfers
    assert plan.fetches == {}
    same(found, wanted)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr 8x8"])
def test_weights_in_every_layout(layout: str, pretend_cupy: PretendCupy) -> None:
    graph = ms.prune(ms.load(FOLDER / MODELS[0]), "magnitude", sparsity=0.95)
    feeds = random_feeds(graph, 0)
    wanted = ms.compile(graph).run(feeds)
    chosen = dict.fromkeys(("layer1", "layer2", "layer3"), f"{layout} vectorized")
    plan = ms.compile(graph, target="gpu", choose=chosen)
    assert [s.chosen.name for s in plan.steps if s.node.name in chosen] == list(chosen.values())
    given = there(feeds, pretend_cupy)
    pretend_cupy.transfers.clear()
    found = plan.run(given)
    assert not pretend_cupy.transfers
    same(found, wanted)


def test_thread_programs_run_in_a_plan(pretend_cupy: PretendCupy) -> None:
    b = ms.GraphBuilder("tiny")
    w = np.where(np.random.default_rng(0).random((8, 6)) < 0.3, 1.5, 0).astype("float32")
    h = b.op("gemm", b.input("x", ("n", 6)), b.constant("w", w), transB=1, name="layer")
    graph = b.build({"y": b.op("relu", h)})
    plan = ms.compile(graph, target="gpu", level="gpu")
    assert plan.step("layer").chosen.level == "gpu"
    feeds = {"x": np.random.default_rng(1).random((3, 6), "float32") - 0.5}
    same(plan.run(there(feeds, pretend_cupy)), ms.compile(graph).run(feeds))


@pytest.mark.parametrize("pattern", ["random", "blocks", "2:4", "all"])
@pytest.mark.parametrize("network", networks.NETWORKS, ids=lambda network: network.__name__)
def test_small_networks(network: Any, pattern: str, pretend_cupy: PretendCupy) -> None:
    graph = network(pattern)
    both(graph, networks.feeds_for(graph), pretend_cupy)


# -- numbers that the host has to know -----------------------------------------------------------


def test_shapes_are_computed_in_main_memory(pretend_cupy: PretendCupy) -> None:
    b = ms.GraphBuilder("turned")
    x = b.input("x", ("n", 6))
    rows = b.op("gather", b.op("shape", x), b.constant("first", np.array([0])))
    rest = b.constant("rest", np.array([2, 3]))
    y = b.op("reshape", x, b.op("concat", rows, rest, axis=0, name="joined"), name="shaped")
    graph = b.build({"y": y, "rows": rows})
    plan = both(graph, {"x": np.arange(12, dtype="float32").reshape(2, 6)}, pretend_cupy)
    places = {step.node.name: step.device for step in plan.steps}
    assert places.pop("shaped") == "gpu"
    assert set(places.values()) == {"cpu"}
    assert plan.fetches == {}


def test_a_number_that_the_device_computed_is_fetched(pretend_cupy: PretendCupy) -> None:
    b = ms.GraphBuilder("upto")
    x = b.input("x", ("n",), "int64")
    zero, one = (b.constant(n, np.array(v, np.int64)) for n, v in (("zero", 0), ("one", 1)))
    top = b.op("reduce_max", x, keepdims=0, name="top")
    y = b.op("range", zero, top, one, name="upto")
    graph = b.build({"y": b.op("add", y, top, name="sum")})
    plan = both(graph, {"x": np.array([1, 4, 2])}, pretend_cupy, fetches=1)
    assert plan.fetches == {"upto": 1}


def test_an_index_is_looked_at_once(pretend_cupy: PretendCupy) -> None:
    b = ms.GraphBuilder("picked")
    x, i = b.input("x", (5, 2)), b.input("i", ("n",), "int64")
    graph = b.build({"y": b.op("gather", x, i, name="pick")})
    feeds = {"x": np.arange(10, dtype="float32").reshape(5, 2), "i": np.array([4, 0])}
    plan = both(graph, feeds, pretend_cupy, fetches=1)
    assert plan.fetches == {"pick": 1}
    with pytest.raises(ms.ShapeError, match=r"node 'pick': gather .* axis 0 has 5 elements"):
        plan.run(there({**feeds, "i": np.array([5])}, pretend_cupy))


def test_branches_run_where_their_values_lie(pretend_cupy: PretendCupy) -> None:
    double = Body(("x",), (Node("d", op("add"), ("x", "x"), ("y",), {}),), ("y",))
    same_ = Body(("x",), (Node("i", IDENTITY, ("x",), ("y",), {}),), ("y",))
    b = ms.GraphBuilder("branch")
    x, c = b.input("x", (3,)), b.input("c", (), "bool")
    graph = b.build({"y": b.op("if_else", c, x, then_branch=double, else_branch=same_, name="if")})
    for condition in (True, False):
        feeds = {"x": np.ones(3, "float32"), "c": np.array(condition)}
        plan = both(graph, feeds, pretend_cupy, fetches=1)
        assert plan.fetches == {"if": 1}


def op(name: str) -> Op:
    found: Op = importlib.import_module("minisparse.ops").OPS[name]
    return found


# -- what is refused -----------------------------------------------------------------------------


def small() -> Graph:
    b = ms.GraphBuilder("small")
    w = b.constant("w", np.eye(2, 3, dtype="float32"))
    return b.build({"y": b.op("gemm", b.input("x", ("n", 3)), w, transB=1)})


def test_nothing_is_copied_unasked(pretend_cupy: PretendCupy) -> None:
    x = np.ones((1, 3), "float32")
    plan = ms.compile(small(), target="gpu")
    with pytest.raises(UsageError, match=r"input 'x' lies in main memory, .*cupy.asarray\(x\)"):
        plan.run({"x": x})
    with pytest.raises(UsageError, match=r"input 'x' lies on the GPU, .*x.get\(\), or compile"):
        ms.compile(small())(pretend_cupy.asarray(x))


def test_levels_and_policies_for_main_memory_are_refused(pretend_cupy: PretendCupy) -> None:
    for level in ("loops", "generated"):
        with pytest.raises(
            UsageError, match=f"target 'gpu': level is '{level}', which is for main"
        ):
            ms.compile(small(), target="gpu", level=level)
    with pytest.raises(UsageError, match="only 'predicted' is for a GPU"):
        ms.compile(small(), target="gpu", policy="measured")
    with pytest.raises(UsageError, match="watches main memory"):
        measure_memory(ms.compile(small(), target="gpu"), {})


def test_an_op_without_a_way_there_is_named(pretend_cupy: PretendCupy) -> None:
    foreign = Op(
        "onnx.Foreign", ("x",), (), lambda types, attrs: types[0],
        lambda operands, attrs: np.sort(operands[0]), lambda types, attrs: 0, lambda rng: (),
        on_host=True,
    )  # fmt: skip
    given = small()
    nodes = (*given.nodes, Node("sorted", foreign, (given.nodes[0].output,), ("z",), {}))
    graph = Graph(given.name, given.inputs, given.constants, nodes, {"z": "z"})
    with pytest.raises(UnsupportedOpError, match=r"no way on a GPU for: node 'sorted' = onnx\.Fo"):
        ms.compile(graph, target="gpu")


def test_without_cupy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingExtraError, match=r"target 'gpu' needs .*pip install"):
        ms.compile(small(), target="gpu")


# -- watching ------------------------------------------------------------------------------------


def test_a_run_can_be_watched_without_a_copy(pretend_cupy: PretendCupy) -> None:
    plan = ms.compile(small(), target="gpu")
    given = there({"x": np.ones((2, 3), "float32")}, pretend_cupy)
    pretend_cupy.transfers.clear()
    done = [e for e in events(plan, given) if isinstance(e, DidRun)]
    assert all(isinstance(x, Ndarray) for e in done for x in e.results)
    trace = plan.trace(given)
    assert str(trace)
    assert trace._repr_html_()
    assert str(plan.explain())
    assert str(plan.memory())
    assert "for gpu (h100)" in repr(plan)
    assert not pretend_cupy.transfers
    y: Any = trace.outputs["y"]
    np.testing.assert_array_equal(y.get(), np.ones((2, 2)))


def test_a_run_can_be_judged_and_stepped_through(pretend_cupy: PretendCupy) -> None:
    plan = ms.compile(small(), target="gpu")
    given = there({"x": np.ones((2, 3), "float32")}, pretend_cupy)
    assert all(found.judgement.passed for found in plan.verify(given))
    assert plan.verify_outputs(given) == {"y": 0.0}
    session = ms.debug(plan, given)
    session.step()
    session.step()
    name = "gemm_1"
    inside = session.into(name)
    inside.step()
    assert inside.count == 1
    value = plan.step(name).node.output
    assert session.diff(value, ms.compile(small())).position is None
    session.back()
    assert "before node 2" in str(session)


def test_a_target_by_its_name_only_prices(pretend_cupy: PretendCupy) -> None:
    plan = ms.compile(small(), target="h100")
    assert plan.target.device == "cpu"
    found = plan.run({"x": np.ones((1, 3), "float32")})["y"]
    assert isinstance(found, np.ndarray)
