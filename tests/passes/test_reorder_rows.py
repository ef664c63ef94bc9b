"""Rows that are alike are brought together, and whoever reads them gets what it got before."""

from typing import Any

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.cost import Target
from minisparse.formats import find_pattern
from minisparse.graph import Graph, GraphBuilder
from minisparse.passes import PASSES, run_passes
from tests.passes.random_networks import assert_same

RNG = np.random.default_rng(0)
STEPS = ("recognize_sparsity", "lower_gemm", "cancel_transposes", "reorder_rows")


def hidden_blocks(m: int, k: int, size: int = 16, share: float = 0.15) -> Array:
    """Return a weight of dense blocks, its rows shuffled so that none is to be seen."""
    keep = np.kron(RNG.random((m // size, k // size)) < share, np.ones((size, size), bool))
    return np.where(keep, RNG.standard_normal((m, k)), 0)[RNG.permutation(m)]


def reordered(graph: Graph, *steps: str) -> Graph:
    skip = [name for name in PASSES if name not in (steps or STEPS)]
    return run_passes(graph, Target(sizes={"batch": 256}), PASSES, skip)[0]


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def network(*also: str, first: Array | None = None) -> Graph:
    """Return two linear layers, neurons of the first in an order that hides its blocks."""
    b = GraphBuilder("hidden")
    w = b.constant("w", hidden_blocks(512, 512) if first is None else first)
    h = b.op("spmm", w, b.input("x", (512, "batch"), "float64"), name="h")
    h = b.op("add_bias", h, b.constant("bias", RNG.standard_normal(512)), name="biased")
    h = b.op("relu", h, name="active")
    scale = b.constant("scale", RNG.standard_normal((512, 1)))
    h = b.op("multiply", h, scale, name="scaled")
    v = b.constant("v", RNG.standard_normal((8, 512)))
    return b.build([b.op("spmm", v, h, name="y"), *also])


def test_hidden_blocks_appear_and_the_next_layer_takes_the_order() -> None:
    graph = network()
    found = reordered(graph)
    assert ops(found) == ops(graph)  # the order needs no node: it is cancelled between layers
    node = found.node("h")
    before, after = (find_pattern(g.constants[g.node("h").inputs[0]]) for g in (graph, found))
    assert before.block_occupancy(16) > 0.7
    assert after.block_occupancy(16) < 0.25
    assert node.output not in found.outputs.values()
    assert_same(graph, found)
    again = PASSES["reorder_rows"].run(found, Target(sizes={"batch": 256}))
    assert str(again) == str(found)


@pytest.mark.parametrize("also", ["h", "biased", "active", "scaled"])
def test_who_wants_the_old_order_gets_it(also: str) -> None:
    graph = network(also)
    found = reordered(graph)
    assert ops(found).count("gather") == 1
    assert_same(graph, found)


def test_ops_that_mix_rows_get_the_old_order() -> None:
    b = GraphBuilder("mixed")
    w = b.constant("w", hidden_blocks(512, 512))
    h = b.op("spmm", w, b.input("x", (512, "batch"), "float64"), name="h")
    other = b.op("add", h, b.input("r", (512, "batch"), "float64"), name="sum")
    shares = b.op("softmax", h, axis=0, name="shares")
    graph = b.build([b.op("add", other, shares)])
    found = reordered(graph)
    assert ops(found).count("gather") == 1  # one for all of them
    assert_same(graph, found)


def test_weights_on_the_right_are_reordered_by_columns() -> None:
    b = GraphBuilder("right")
    w = b.constant("w", np.ascontiguousarray(hidden_blocks(512, 512).T))
    h = b.op("dsmm", b.input("x", ("batch", 512), "float64"), w, name="h")
    h = b.op("add", h, b.constant("bias", RNG.standard_normal(512)), name="biased")
    v = b.constant("v", RNG.standard_normal((512, 8)))
    graph = b.build([b.op("dsmm", b.op("relu", h), v, name="y")])
    found = reordered(graph)
    assert ops(found) == ops(graph)
    assert found.node("h").inputs != graph.node("h").inputs
    assert_same(graph, found)


def test_a_weight_that_others_read_is_kept_for_them() -> None:
    b = GraphBuilder("shared")
    w = b.constant("w", hidden_blocks(512, 512))
    x = b.input("x", (512, "batch"), "float64")
    h = b.op("spmm", w, b.op("relu", b.op("spmm", w, x, name="h")), name="y")
    graph = b.build([h])
    assert_same(graph, reordered(graph))


@pytest.mark.parametrize("kind", ["random", "dense", "blocks in their place", "small"])
def test_where_nothing_is_gained_nothing_moves(kind: str) -> None:
    w: Any = hidden_blocks(512, 512)
    if kind == "random":
        w = np.where(RNG.random(w.shape) < 0.1, RNG.standard_normal(w.shape), 0)
    elif kind == "dense":
        w = RNG.standard_normal(w.shape)
    elif kind == "blocks in their place":
        keep = np.kron(RNG.random((32, 32)) < 0.15, np.ones((16, 16), bool))
        w = np.where(keep, RNG.standard_normal(w.shape), 0)
    else:
        w[:, 16:] = 0
        w[16:] = 0
    graph = reordered(network(first=w), *STEPS[:-1])
    found = PASSES["reorder_rows"].run(graph, Target(sizes={"batch": 256}))
    assert str(found) == str(graph)


def test_a_compiled_network_stores_the_blocks() -> None:
    graph = network()
    plan = ms.compile(graph, sizes={"batch": 256})
    (step,) = [step for step in plan.steps if step.node.name == "h"]
    assert step.chosen.layout.format == "bsr"
    x = RNG.standard_normal((512, 256))
    np.testing.assert_allclose(plan(x), ms.compile(graph, skip=tuple(PASSES))(x), rtol=1e-9)
