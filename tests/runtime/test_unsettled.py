"""Sizes that only the run tells: through a graph, a plan, events, a trace and the oracle."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import ShapeError
from minisparse.core.symbolic import is_unknown
from minisparse.graph import Graph, GraphBuilder
from minisparse.runtime import DidRun, events

RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((4, 3)).astype(np.float32)
X = RNG.standard_normal((2, 6, 4)).astype(np.float32)


WAYS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "run": lambda plan, given: plan.run(given),
    "events": lambda plan, given: list(events(plan, given)),
}


def reshaping() -> Graph:
    """Return a layer on a matrix whose shape is an input."""
    b = GraphBuilder("reshaping")
    x = b.input("x", ("batch", "seq", 4))
    shape = b.input("shape", (2,), "int64")
    rows = b.op("reshape", x, shape, name="rows")
    half = b.op("multiply", rows, b.constant("half", np.float32(0.5)), name="halved")
    h = b.op("add", half, b.constant("shift", np.ones(4, np.float32)), name="shifted")
    y = b.op("gemm", h, b.constant("w", WEIGHT), name="layer")
    return b.build({"y": b.op("relu", y, name="activated")})


def wanted(shape: tuple[int, int]) -> Any:
    rows = X.reshape(shape) * np.float32(0.5) + 1
    return np.maximum(rows @ WEIGHT, 0)


def feeds(*shape: int) -> dict[str, Any]:
    return {"x": X, "shape": np.array(shape)}


def choosing() -> Graph:
    """Return a network that looks only at what it finds, and tells how much that is."""
    b = GraphBuilder("choosing")
    x = b.input("x", ("n", 4))
    marked = b.input("marked", ("n",), "bool")
    places = b.op("non_zero", marked, name="places")
    chosen = b.op("gather_nd", x, b.op("transpose", places, name="turned"), name="chosen")
    both = b.op("concat", chosen, x, name="both")
    parts = b.op("split", b.op("softmax", both, name="weights"), axis=1, num_outputs=2, name="part")
    count = b.op("gather", b.op("shape", both), b.constant("zero", np.array(0)), name="count")
    return b.build({"first": parts, "second": f"{parts}.1", "count": count})


def test_sizes_that_are_not_known_have_numbers() -> None:
    types = reshaping().types
    assert [str(d) for d in types["rows"].shape] == ["?1", "?2"]
    assert types["halved"].shape == ("?1", "?2")
    assert types["shifted"].shape == ("?1", 4)
    assert types["layer"].shape == ("?1", 3)
    chosen = choosing().types
    assert chosen["chosen"].shape == ("?1", 4)
    assert chosen["both"].shape == ("?1 + n", 4)
    assert chosen["part.1"].shape == ("?1 + n", 2)
    assert chosen["count"].known == ("?1 + n",)


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_each_run_settles_them_anew(level: str) -> None:
    plan = ms.compile(reshaping(), level=level)
    for shape in ((12, 4), (-1, 4), (12, -1)):
        result = plan.run(feeds(*shape))["y"]
        np.testing.assert_allclose(result, wanted((12, 4)), 1e-5, 1e-6)
    short = {"x": X[:1, :2], "shape": np.array([2, 4])}
    np.testing.assert_allclose(plan.run(short)["y"], wanted((12, 4))[:2], 1e-5, 1e-6)


def test_what_is_found_may_be_any_number() -> None:
    plan = ms.compile(choosing())
    for n, every in ((5, 2), (5, 9), (0, 1)):
        x = RNG.standard_normal((n, 4)).astype(np.float32)
        marked = np.arange(n) % every == 1
        found = plan.run({"x": x, "marked": marked})
        both = np.concatenate([x[marked], x])
        weights = np.exp(both) / np.exp(both).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found["first"], weights[:, :2], 1e-5)
        np.testing.assert_allclose(found["second"], weights[:, 2:], 1e-5)
        assert found["count"] == n + marked.sum()


def test_events_traces_and_the_oracle_see_real_sizes() -> None:
    plan = ms.compile(reshaping())
    told = [e for e in events(plan, feeds(12, 4)) if isinstance(e, DidRun)]
    assert [e.results[0].shape for e in told][-1] == (12, 3)
    trace = plan.trace(feeds(12, 4))
    np.testing.assert_array_equal(trace.outputs["y"], plan.run(feeds(12, 4))["y"])
    assert "144 B" in str(trace)  # written by the last node: 12 x 3 numbers
    for graph, given in (
        (reshaping(), feeds(12, 4)),
        (choosing(), {"x": X[0], "marked": X[0, :, 0] > 0}),
    ):
        verdicts = ms.compile(graph).verify(given)
        assert [j.verdict for j in verdicts if j.verdict != "PASS"] == []


def test_a_plan_says_what_it_does_not_know() -> None:
    plan = ms.compile(reshaping())
    assert any(step.unsettled for step in plan.steps)
    assert not any(step.unsettled for step in ms.compile(_settled()).steps)
    assert "?1" in str(plan.graph)
    assert "rows" in str(plan.explain())


def _settled() -> Graph:
    b = GraphBuilder("settled")
    x = b.input("x", ("batch", "seq", 4))
    rows = b.op("reshape", x, b.constant("shape", np.array([-1, 4])), name="rows")
    return b.build({"y": b.op("gemm", rows, b.constant("w", WEIGHT), name="layer")})


def test_names_lead_to_names() -> None:
    types = _settled().types
    assert types["layer"].shape == ("batch*seq", 3)
    assert not any(is_unknown(d) for t in types.values() for d in t.shape)
    result = ms.compile(_settled()).run({"x": X})["y"]
    assert result.shape == (12, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 4), r"node 'rows': reshape \(C4\): X is 2x6x4 but shape is \[2\]: shape must hold"),
        ((-1, -1), r"node 'rows': reshape \(C3\): .*one of them -1 at most"),
        ((-1, 3), r"node 'shifted': add \(C1\): "),
        ((-1, 5), r"node 'rows': reshape \(C4\): "),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_a_mismatch_names_node_and_constraint(
    way: str, shape: tuple[int, int], message: str
) -> None:
    plan = ms.compile(reshaping())
    WAYS[way](plan, feeds(12, 4))  # what one run has checked must not count for the next
    with pytest.raises(ShapeError, match=message):
        WAYS[way](plan, feeds(*shape))
    WAYS[way](plan, feeds(12, 4))


def test_a_product_is_checked_when_its_sizes_are_there() -> None:
    b = GraphBuilder("product")
    shape = b.input("shape", (2,), "int64")
    rows = b.op("reshape", b.input("x", ("n", 4)), shape, name="rows")
    plan = ms.compile(b.build({"y": b.op("matmul", rows, b.constant("w", WEIGHT), name="layer")}))
    x = X[0]
    np.testing.assert_allclose(plan.run({"x": x, "shape": np.array([6, 4])})["y"], x @ WEIGHT, 1e-5)
    with pytest.raises(ShapeError, match=r"node '.*': .* \(C\d\): .*3x8"):
        plan.run({"x": x, "shape": np.array([3, 8])})


@pytest.mark.parametrize("way", WAYS)
def test_an_index_beyond_its_axis_names_the_node(way: str) -> None:
    b = GraphBuilder("words")
    words = b.constant("words", RNG.standard_normal((7, 4)).astype(np.float32))
    y = b.op("gather", words, b.input("tokens", ("batch", "seq"), "int64"), name="embedding")
    plan = ms.compile(b.build({"y": y}))
    tokens = np.array([[1, 6], [7, 0]])
    with pytest.raises(ShapeError, match=r"node 'embedding': gather \(C3\): indices\[1, 0\] is 7"):
        WAYS[way](plan, {"tokens": tokens})
