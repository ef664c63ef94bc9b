"""What is folded keeps its type."""

import numpy as np

import minisparse as ms
from minisparse.graph import GraphBuilder


def test_a_number_stays_without_dimensions() -> None:
    b = GraphBuilder()
    total = b.op("reduce_sum", b.constant("c", np.ones(3, "float32")), keepdims=0)
    plan = ms.compile(b.build({"total": total, "y": b.op("add", b.input("x", (2,)), total)}))
    found = plan.run({"x": np.zeros(2, "float32")})
    assert found["total"].shape == ()
    np.testing.assert_array_equal(found["y"], [3, 3])
