"""Bisection names the pass that changed the meaning, or the node whose kernel is wrong."""

from dataclasses import replace

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.errors import UsageError
from minisparse.debugger import bisect
from minisparse.dispatch.planner import make_plan
from minisparse.graph import Graph
from minisparse.passes import PASSES, Pass, run_passes


def model() -> Graph:
    rng = np.random.default_rng(0)
    b = ms.GraphBuilder("tiny")
    x = b.input("x", ("batch", 12))
    w = np.where(rng.random((16, 12)) < 0.2, rng.standard_normal((16, 12)), 0).astype("float32")
    h = b.op("gemm", x, b.constant("w", w), transB=1)
    h = b.op("relu", h)
    v = rng.standard_normal((3, 16)).astype("float32")
    return b.build({"y": b.op("gemm", h, b.constant("v", v), transB=1)})


FEEDS = {"x": np.random.default_rng(1).standard_normal((4, 12)).astype("float32")}


def test_a_right_compiler_is_cleared() -> None:
    plan = ms.compile(model())
    found = bisect(plan, FEEDS)
    assert found.passed
    assert [s.name for s in found.stages] == ["(source)", *(r.name for r in plan.reports)]
    assert all(s.meaning < 1e-6 and s.run < 1e-5 for s in found.stages)
    assert "Every pass kept the meaning" in str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    assert "<script" not in found._repr_html_()


def test_the_pass_that_changes_the_meaning_is_named() -> None:
    plan = ms.compile(model())

    def halve(graph: Graph, target: object) -> Graph:
        constants = {
            name: x * np.float32(0.5) if name == "v" else x for name, x in graph.constants.items()
        }
        return replace(graph, constants=constants)

    wrong = Pass("halve_weights", halve, ("lower_gemm",))
    graph, reports = run_passes(model(), plan.target, {**PASSES, "halve_weights": wrong})
    found = bisect(make_plan(model(), graph, plan.target, reports), FEEDS)
    assert found.first_pass == "halve_weights"
    assert found.first_wrong is None
    assert not found.passed
    assert "halve_weights changed what the graph means" in str(found)


def test_what_cannot_be_asked_for_is_said() -> None:
    plan = ms.compile(model())
    with pytest.raises(UsageError, match="tolerance is -1"):
        bisect(plan, FEEDS, tolerance=-1)
    with pytest.raises(UsageError, match="no value for input x"):
        bisect(plan, {})
