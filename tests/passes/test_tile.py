"""Ops on rows and on elements are computed some rows at a time, where that is predicted to pay."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.cost import Target
from minisparse.graph import Graph, GraphBuilder
from minisparse.kernels.chain import program
from minisparse.passes import PASSES
from tests.passes.random_networks import assert_same

LARGE = {"batch": 1 << 19}
RNG = np.random.default_rng(0)


def tiled(graph: Graph, **sizes: int) -> Graph:
    return PASSES["tile"].run(graph, Target(sizes=sizes or LARGE))


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def rows(row_op: str, axis: int = -1, also: str = "") -> Graph:
    """Return a sum, an op that needs rows, and an activation."""
    b = GraphBuilder("rows")
    x = b.input("x", ("batch", 4, 8), "float64")
    c = [b.constant(f"c{i}", RNG.standard_normal(8)) for i in range(3)]
    more = {"layer_normalization": c[1:], "rms_normalization": c[1:2]}.get(row_op, [])
    h = b.op("add", x, c[0], name="sum")
    h = b.op(row_op, h, *more, axis=axis, name="row")
    return b.build([b.op("tanh", h, name="y"), *([also] if also else [])])


ROW_OPS = ("softmax", "log_softmax", "layer_normalization", "rms_normalization")


@pytest.mark.parametrize("row_op", ROW_OPS)
def test_what_works_on_rows_becomes_one_tile(row_op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = rows(row_op)
    found = tiled(graph)
    assert ops(found) == ["chain"]
    assert_same(graph, found)
    assert tiled(found).nodes == found.nodes
    monkeypatch.setattr(program, "LARGE_PIECE", 24)
    x = RNG.standard_normal((7, 4, 8))
    plans = [ms.compile(g, skip=tuple(PASSES)) for g in (graph, found)]
    np.testing.assert_allclose(plans[1](x), plans[0](x), rtol=1e-12)


@pytest.mark.parametrize("row_op", ROW_OPS[:2])
def test_rows_along_other_axes_stay(row_op: str) -> None:
    graph = rows(row_op, axis=1)
    assert tiled(graph).nodes == graph.nodes


@pytest.mark.parametrize("also", ["sum", "row"])
def test_what_another_needs_is_computed_apart(also: str) -> None:
    graph = rows("softmax", also=also)
    found = tiled(graph)
    assert also in [node.name for node in found.nodes]
    assert_same(graph, found)


def test_small_values_and_elementwise_chains_are_left() -> None:
    graph = rows("softmax")
    assert tiled(graph, batch=64).nodes == graph.nodes
    b = GraphBuilder("elements")
    h = b.op("tanh", b.op("neg", b.input("x", ("batch", 8))))
    chain = b.build([h])
    assert tiled(chain, batch=1 << 22).nodes == chain.nodes


def test_a_normalization_over_two_axes_is_cut_along_neither() -> None:
    b = GraphBuilder("two")
    x = b.op("neg", b.input("x", ("batch", 4, 8), "float64"))
    scale = b.constant("scale", RNG.standard_normal((4, 8)))
    graph = b.build([b.op("layer_normalization", x, scale, axis=1)])
    assert tiled(graph).nodes == graph.nodes
