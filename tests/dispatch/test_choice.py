"""Which candidate is taken: as predicted, as timed, or as asked for; and the reason given."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import UsageError
from minisparse.cost import Target, candidates, find_machine, rank
from minisparse.dispatch.reasons import reason, why_not
from minisparse.graph import Graph, GraphBuilder


def two_layers(density: float = 0.02, size: int = 256) -> Graph:
    """Return a perceptron of two layers with scattered weights."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("two")
    h = b.input("x", ("batch", size))
    for i in range(2):
        w = rng.standard_normal((size, size)).astype("float32")
        w[rng.random(w.shape) >= density] = 0
        h = b.op("gemm", h, b.constant(f"w{i}", w), transB=1, name=f"layer{i}")
        h = b.op("relu", h)
    return b.build({"y": h})


GRAPH = two_layers()
X = np.random.default_rng(1).standard_normal((64, 256)).astype("float32")


@pytest.mark.parametrize("way", ["dense", "csr", "csc vectorized", "bsr 8x8", "csr loops"])
def test_what_is_asked_for_runs_and_computes_the_same(way: str) -> None:
    plan = ms.compile(GRAPH, choose={"layer0": way})
    chosen = plan.step("layer0").chosen
    assert way in (chosen.name, str(chosen.layout))
    assert plan.step("layer0").why.startswith("asked for; predicted ")
    x = X[:3] if "loops" in way else X
    np.testing.assert_allclose(plan(x), ms.compile(GRAPH)(x), rtol=1e-4, atol=1e-4)


def test_every_candidate_of_an_explanation_can_be_asked_for() -> None:
    node = next(n for n in ms.compile(GRAPH).explain().nodes if n.name == "layer1")
    assert len(node.candidates) > 3
    for candidate in node.candidates:
        plan = ms.compile(GRAPH, choose={"layer1": candidate})
        assert plan.step("layer1").chosen.name == candidate.name
        assert plan.step("layer0").chosen.name == ms.compile(GRAPH).step("layer0").chosen.name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choose": {"nope": "csr"}}, r"no node nope; those with a weight: layer0, layer1"),
        (
            {"choose": {"layer0": "elsewhere"}},
            r"'layer0' has no candidate 'elsewhere'; it has: bsr",
        ),
        (
            {"choose": {"layer0": "csr"}, "skip": ("insert_conversions",)},
            r"stored as dense by then, and no pass converts it",
        ),
        ({"policy": "guessed"}, r"no policy 'guessed'; policies: predicted, measured"),
        ({"calls": 0}, r"calls is 0: it must be an integer of at least 1"),
        ({"calls": 2.5}, r"calls is 2.5"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ms.compile(GRAPH, **options)


def test_measured_times_decide_and_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pretend(graph: Graph, node: Any, found: Any, target: Target) -> dict[str, float]:
        asked.append((node.name, [c.name for c in found]))
        return {c.name: 1.0 if c is found[1] else 2.0 for c in found}

    monkeypatch.setattr("minisparse.cost.measured.time_candidates", pretend)
    graph = two_layers(0.002)
    plan = ms.compile(graph, policy="measured")
    assert [name for name, _ in asked] == ["layer0", "layer1"]  # each timed once
    assert all("dense vectorized" in names and len(names) <= 4 for _, names in asked)
    for name, timed in asked:
        assert plan.step(name).chosen.name == timed[1]
        assert "measured 2.00 times as fast as" in plan.step(name).why


def test_candidates_are_timed_for_real() -> None:
    plan = ms.compile(GRAPH, policy="measured")
    step = plan.step("layer0")
    timed = [c for c in step.candidates if c.measured_seconds is not None]
    assert len(timed) in (3, 4)
    assert step.chosen.measured_seconds == min(c.measured_seconds or 0.0 for c in timed)
    np.testing.assert_allclose(plan(X), ms.compile(GRAPH)(X), rtol=1e-4, atol=1e-4)


def test_a_conversion_has_to_be_earned_in_the_calls_to_come() -> None:
    graph = two_layers(0.004, 768)
    often, once = (
        ms.compile(graph, sizes={"batch": 1}, calls=calls).step("layer0") for calls in (10**6, 1)
    )
    assert often.chosen.layout.format != "dense"
    assert once.chosen.layout.format == "dense"
    assert "too much for 1 calls" in once.why or "converting and packing take" in once.why


def test_reasons_tell_the_ratio_and_what_the_time_goes_into() -> None:
    target = Target(sizes={"batch": 64})
    graph = target.bind(ms.compile(GRAPH, skip=("select_format",)).graph)
    node = graph.node("layer0")
    found = rank(graph, node, target)
    chosen, slow = found[0], max(found, key=lambda c: c.seconds)
    ratio = slow.seconds / chosen.seconds
    assert why_not(slow, chosen, target).startswith(f"{ratio:.2f}x slower: ")
    assert reason(chosen, found, target).startswith("predicted ")
    assert reason(chosen, found[:1], target) == "the only way there is"
    slower = replace(slow, measured_seconds=3.0)
    faster = replace(chosen, measured_seconds=2.0)
    assert why_not(slower, faster, target) == "measured 1.50x slower"
    assert reason(faster, (faster, slower), target) == f"measured 1.50 times as fast as {slow.name}"


def test_candidates_stay_cheapest_first() -> None:
    target = Target(find_machine("server-2core"), {"batch": 64}, choose={"layer0": "dense"})
    graph = target.bind(ms.compile(GRAPH, skip=("select_format",)).graph)
    seconds = [c.seconds for c in candidates(graph, graph.node("layer0"), target)]
    assert seconds == sorted(seconds)
    step = ms.compile(GRAPH, choose={"layer0": "csc"}).step("layer0")
    assert [c.seconds for c in step.candidates] == sorted(c.seconds for c in step.candidates)
