"""Transpositions that cancel, in orders that networks seldom have."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.graph import GraphBuilder
from minisparse.passes import PASSES

X = np.arange(6, dtype="float32").reshape(2, 3) - 2


@pytest.mark.parametrize("perm", [None, (1, 0)])
def test_axes_may_be_reversed_by_default(perm: tuple[int, ...] | None) -> None:
    b = GraphBuilder()
    turned = b.op("transpose", b.op("transpose", b.input("x", ("n", 3))), perm=perm)
    summed = b.op("reduce_sum", turned, axes=(0,))
    plan = ms.compile(b.build({"y": summed}))
    assert [step.node.op.name for step in plan.steps] == ["reduce_sum"]
    np.testing.assert_array_equal(plan(X), X.sum(axis=0, keepdims=True))


def test_an_op_may_sink_through_two_whose_values_others_read() -> None:
    b = GraphBuilder()
    first = b.op("transpose", b.input("x", ("n", 3)))
    second = b.op("transpose", first)
    graph = b.build({"second": second, "y": b.op("relu", second), "first": first})
    for skip in ((), tuple(PASSES)):
        found = ms.compile(graph, skip=skip).run({"x": X})
        np.testing.assert_array_equal(found["second"], X)
        np.testing.assert_array_equal(found["y"], np.maximum(X, 0))
        np.testing.assert_array_equal(found["first"], X.T)
