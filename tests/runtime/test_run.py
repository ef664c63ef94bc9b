"""Plans run: every network, pattern and level against the ops' meaning; feeds, events, traces."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import (
    DTypeError,
    MinisparseError,
    ShapeError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.core.tensor_type import DENSE
from minisparse.cost import Target
from minisparse.dispatch import make_plan
from minisparse.graph import Graph
from minisparse.passes import PASSES
from minisparse.runtime import DidRun, WillRun, events, measure
from tests.networks import (
    NETWORKS,
    PATTERNS,
    branching,
    convolutional,
    feeds_for,
    meaning,
    perceptron,
    pruned,
)

GRAPHS = [network(pattern) for network in NETWORKS for pattern in PATTERNS]


def assert_close(graph: Graph, found: dict[str, np.ndarray], feeds: dict) -> None:  # type: ignore[type-arg]
    for name, x in meaning(graph, feeds).items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("level", ["loops", "vectorized"])
@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.name)
def test_a_plan_computes_what_the_graph_means(graph: Graph, level: str) -> None:
    feeds = feeds_for(graph)
    plan = ms.compile(graph, level=level, sizes={"batch": 3})
    assert_close(graph, plan.run(feeds), feeds)
    assert all(j.verdict != "FAIL" for j in plan.verify(feeds))


@pytest.mark.parametrize("name", sorted(PASSES))
@pytest.mark.parametrize("network", NETWORKS)
def test_a_plan_runs_without_any_one_pass(network: type, name: str) -> None:
    graph = network("blocks")
    feeds = feeds_for(graph)
    assert_close(graph, ms.compile(graph, skip=(name,)).run(feeds), feeds)


@pytest.mark.parametrize("batch", [0, 1, 2, 100])
def test_any_batch_runs_whatever_was_expected(batch: int) -> None:
    for network in NETWORKS:
        graph = network("random")
        plan = ms.compile(graph, sizes={"batch": 7})
        feeds = feeds_for(graph, batch)
        assert_close(graph, plan.run(feeds), feeds)


def test_a_call_takes_arrays_in_order_and_gives_one_array_for_one_output() -> None:
    graph = perceptron("random")
    feeds = feeds_for(graph)
    np.testing.assert_array_equal(ms.compile(graph)(feeds["x"]), ms.compile(graph).run(feeds)["y"])
    several = ms.compile(branching("random"))(feeds_for(branching("random"))["x"])
    assert set(several) == {"total", "first", "scaled"}
    with pytest.raises(UsageError, match=r"takes 1 inputs \(x\), not 2"):
        ms.compile(graph)(feeds["x"], feeds["x"])


@pytest.mark.parametrize(
    ("feeds", "error", "message"),
    [
        ({}, UsageError, "missing: x"),
        ({"x": np.ones((1, 12), "float32"), "z": 1}, UsageError, "unknown: z"),
        ({"x": np.ones((1, 12))}, DTypeError, r"float64.*\.astype\('float32'\)"),
        ({"x": np.ones((1, 13), "float32")}, ShapeError, "axis 1 is 13, not 12"),
        ({"x": np.ones(12, "float32")}, ShapeError, "it needs 2 dimensions, not 1"),
        ({"x": "text"}, DTypeError, "input 'x'"),
    ],
)
def test_feeds_that_do_not_fit(
    feeds: dict[str, object], error: type[MinisparseError], message: str
) -> None:
    with pytest.raises(error, match=message):
        ms.compile(perceptron("random")).run(feeds)


def test_one_name_is_one_size() -> None:
    b = ms.GraphBuilder("two")
    h = b.op("add", b.input("x", ("batch", 2)), b.input("z", ("batch", 2)))
    plan = ms.compile(b.build({"y": h}))
    ones = np.ones((3, 2), "float32")
    np.testing.assert_array_equal(plan(ones, ones), 2 * ones)
    with pytest.raises(ShapeError, match=r"input 'z' has shape .* axis 0 is 1, not 3"):
        plan(ones, ones[:1])


def test_grouped_filters_stay_dense() -> None:
    b = ms.GraphBuilder("grouped")
    w = pruned(np.random.default_rng(0), 8, 18, "rows").reshape(8, 2, 3, 3)
    h = b.op("conv", b.input("x", ("batch", 4, 6, 6)), b.constant("w", w), group=2)
    graph = b.build({"y": h})
    feeds = feeds_for(graph)
    plan = ms.compile(graph)
    assert [c.layout.format for c in plan.steps[0].candidates] == ["dense"]
    assert_close(graph, plan.run(feeds), feeds)


def test_the_plan_takes_the_cheapest_that_fits_the_weight_as_it_is() -> None:
    graph = perceptron("rows", sizes=(512, 512))
    for skip in ((), ("select_format",)):
        for step in ms.compile(graph, sizes={"batch": 256}, skip=skip).steps:
            layouts = {step.chosen.layout} if step.node.op.base.name == "spmm" else {DENSE}
            fitting = [c for c in step.candidates if c.layout in layouts]
            assert step.chosen.seconds == min(c.seconds for c in fitting)
    step = ms.compile(graph, sizes={"batch": 256}, skip=("select_format",)).step("layer0")
    assert step.chosen.layout == DENSE
    assert "no pass converts" in step.why


def test_of_two_levels_the_cheaper_one_runs() -> None:
    graph = perceptron("random")
    target = Target(levels=("loops", "vectorized"), sizes={"batch": 64})
    plan = make_plan(graph, graph, target)
    gemm = plan.step("layer0")
    assert {c.level for c in gemm.candidates} == {"loops", "vectorized"}
    assert gemm.chosen.level == "vectorized"


def test_events_are_lazy_and_come_in_pairs() -> None:
    plan = ms.compile(perceptron("random"))
    feeds = feeds_for(plan.graph)
    stream = events(plan, feeds)
    first = next(stream)
    assert isinstance(first, WillRun)
    done = next(stream)
    assert isinstance(done, DidRun)
    assert done.step is first.step
    rest = list(stream)
    assert len(rest) == 2 * len(plan.steps) - 2
    assert [e.index for e in rest if isinstance(e, DidRun)] == list(range(1, len(plan.steps)))


def test_a_trace_keeps_times_bytes_and_values() -> None:
    plan = ms.compile(convolutional("rows"))
    feeds = feeds_for(plan.graph)
    trace = plan.trace(feeds)
    assert set(trace.values) == set(plan.slots)
    np.testing.assert_array_equal(trace.outputs["y"], plan.run(feeds)["y"])
    assert trace.seconds == pytest.approx(sum(r.seconds for r in trace.records))
    assert all(r.seconds > 0 and r.bytes_written > 0 for r in trace.records)
    starts = [r.start for r in trace.records]
    assert starts[0] == 0
    assert starts == sorted(starts)
    text = str(trace)
    assert all(step.node.name[:8] in text for step in plan.steps)
    assert max(map(len, text.split("\n"))) <= 80
    assert "<table" in trace._repr_html_()


def test_the_same_input_gives_the_same_bits() -> None:
    plan = ms.compile(convolutional("random"))
    feeds = feeds_for(plan.graph, 5)
    first = plan.run(feeds)["y"]
    assert all(np.array_equal(first, plan.run(feeds)["y"]) for _ in range(3))


def test_inputs_and_weights_are_never_changed() -> None:
    graph = branching("random")
    feeds = feeds_for(graph)
    before = {n: x.copy() for n, x in feeds.items()}
    weights = {n: np.array(c) for n, c in graph.constants.items()}
    ms.compile(graph).run(feeds)
    for n, x in before.items():
        np.testing.assert_array_equal(feeds[n], x)
    for n, x in weights.items():
        np.testing.assert_array_equal(graph.constants[n], x)


def test_weights_that_are_not_finite_come_through() -> None:
    b = ms.GraphBuilder("nan")
    x = b.input("x", ("batch", 2))
    w = np.array([[np.nan, 0], [0, np.inf]], "float32")
    graph = b.build({"y": b.op("gemm", x, b.constant("w", w), transB=1)})
    y = ms.compile(graph)(np.ones((1, 2), "float32"))
    assert np.isnan(y[0, 0])
    assert y[0, 1] == np.inf  # implicit zeros are skipped: no 0 * NaN


def test_compile_refuses_what_does_not_exist() -> None:
    graph = perceptron("random")
    with pytest.raises(UsageError, match="no level 'fast'"):
        ms.compile(graph, level="fast")
    with pytest.raises(UsageError, match="no dimension size"):
        ms.compile(graph, sizes={"size": 3})
    with pytest.raises(UsageError, match="no target 'moon'"):
        ms.compile(graph, "moon")
    with pytest.raises(UsageError, match="no pass x"):
        ms.compile(graph, skip=("x",))


def test_nodes_without_a_kernel_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisparse.dispatch.planner.rank", lambda *args: ())
    with pytest.raises(UnsupportedOpError, match=r"'first' = gemm.*'active' = relu"):
        ms.compile(branching("none"))


def test_explain_holds_every_candidate_and_one_choice() -> None:
    plan = ms.compile(perceptron("blocks"), sizes={"batch": 64})
    explanation = plan.explain()
    assert len(explanation.nodes) == len(plan.steps)
    for node, step in zip(explanation.nodes, plan.steps, strict=True):
        assert [c.chosen for c in node.candidates].count(True) == 1
        assert len(node.candidates) == len(step.candidates)
        assert node.chosen.name == step.chosen.name
        assert node.why
    text = str(explanation)
    assert max(map(len, text.split("\n"))) <= 80
    assert text.isascii()
    assert "chosen" in explanation._repr_html_()
    assert "perceptron_blocks" in plan._repr_html_()


def test_evaluate_counts_right_answers() -> None:
    plan = ms.compile(perceptron("random"))
    x = feeds_for(plan.graph, 10)["x"]
    right = plan(x).argmax(axis=1)
    assert ms.evaluate(plan, x, right).accuracy == 1
    wrong = right.copy()
    wrong[:3] = (wrong[:3] + 1) % 5
    found = ms.evaluate(plan, x, wrong)
    assert found.accuracy == pytest.approx(0.7)
    assert "0.7000" in str(found)
    with pytest.raises(ShapeError, match="labels"):
        ms.evaluate(plan, x, right[:3])


def test_measure_interleaves_and_bounds() -> None:
    calls: list[str] = []
    timing = measure({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=5)
    assert calls == ["a", "b"] * 6
    assert len(timing["a"].seconds) == 5
    calls.clear()
    measure({"a": lambda: calls.append("a")}, rounds=1000, budget=0.0)
    assert len(calls) == 6  # one round to warm up, five counted


def test_what_is_no_mapping_is_said() -> None:
    b = ms.GraphBuilder("tiny")
    plan = ms.compile(b.build({"y": b.op("relu", b.input("x", (2, 3)))}))
    x: Any = np.ones((2, 3), "float32")
    for call in (plan.run, plan.trace, plan.verify, plan.verify_outputs):
        with pytest.raises(UsageError, match="given: a ndarray: give a dict from names to arrays"):
            call(x)


def test_the_oracle_is_loaded_when_it_is_asked_for() -> None:
    code = "import sys, minisparse as ms; ms.compile; print('minisparse.oracle' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
