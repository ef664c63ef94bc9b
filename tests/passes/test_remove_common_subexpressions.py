"""What is computed alike is computed once, and what only looks alike is not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import minisparse as ms
from minisparse.cost import Target
from minisparse.formats import BSR, CSR, from_dense
from minisparse.graph import Graph, GraphBuilder
from minisparse.passes.recognize_sparsity import RECOGNIZE_SPARSITY
from minisparse.passes.remove_common_subexpressions import REMOVE_COMMON_SUBEXPRESSIONS
from tests.networks import meaning

Build = Callable[[GraphBuilder, str], tuple[str, str]]
RUN = REMOVE_COMMON_SUBEXPRESSIONS.run


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def summed(build: Build) -> Graph:
    """Return a graph that adds two values."""
    b = GraphBuilder("summed")
    first, second = build(b, b.input("x", (3, 3)))
    return b.build({"y": b.op("add", first, second)})


ALIKE: dict[str, Build] = {
    "one op": lambda b, x: (b.op("exp", x), b.op("exp", x)),
    "a chain": lambda b, x: (b.op("neg", b.op("exp", x)), b.op("neg", b.op("exp", x))),
    "attributes": lambda b, x: (b.op("clip", x, min=0.5), b.op("clip", x, min=0.5)),
    "axes given as a list": lambda b, x: (
        b.op("transpose", x, perm=(1, 0)),
        b.op("transpose", x, perm=[1, 0]),
    ),
    "a sum the other way round": lambda b, x: (
        b.op("multiply", x, y := b.op("exp", x)),
        b.op("multiply", y, x),
    ),
    "constants": lambda b, x: (
        b.op("sub", x, b.constant("c", np.ones(3, "float32"))),
        b.op("sub", x, b.constant("d", np.ones(3, "float32"))),
    ),
}
OTHERS: dict[str, Build] = {
    "another op": lambda b, x: (b.op("exp", x), b.op("tanh", x)),
    "another attribute": lambda b, x: (b.op("clip", x, min=0.5), b.op("clip", x, min=0.25)),
    "another zero": lambda b, x: (b.op("clip", x, min=0.0), b.op("clip", x, min=-0.0)),
    "a difference the other way round": lambda b, x: (
        b.op("sub", x, y := b.op("exp", x)),
        b.op("sub", y, x),
    ),
    "constants that differ in one bit": lambda b, x: (
        b.op("sub", x, b.constant("c", np.array([0.0], "float32"))),
        b.op("sub", x, b.constant("d", np.array([-0.0], "float32"))),
    ),
    "constants of other dtypes": lambda b, x: (
        b.op("pow", x, b.constant("c", np.zeros(3, "int32"))),
        b.op("pow", x, b.constant("d", np.zeros(3, "float32"))),
    ),
    "constants of other shapes": lambda b, x: (
        b.op("sub", x, b.constant("c", np.ones(3, "float32"))),
        b.op("sub", x, b.constant("d", np.ones((1, 3), "float32"))),
    ),
}


@pytest.mark.parametrize("what", ALIKE)
def test_what_is_alike_is_computed_once(what: str) -> None:
    graph = summed(ALIKE[what])
    after = RUN(graph, Target())
    assert len(set(after.nodes[-1].inputs)) == 1
    assert len(after.constants) <= 1
    x = np.linspace(-1, 1, 9, dtype="float32").reshape(3, 3)
    np.testing.assert_array_equal(meaning(after, {"x": x})["y"], meaning(graph, {"x": x})["y"])


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_not_alike_stays(what: str) -> None:
    graph = summed(OTHERS[what])
    after = RUN(graph, Target())
    assert ops(after) == ops(graph)
    assert len(after.constants) == len(graph.constants)


def test_every_result_of_a_node_is_shared() -> None:
    b = GraphBuilder("halves")
    x = b.input("x", (4, 2))
    halves = [b.op("split", x, num_outputs=2) for _ in range(2)]
    left, right = (b.op("sub", half, f"{half}.1") for half in halves)
    graph = b.build({"y": b.op("add", left, right)})
    assert ops(RUN(graph, Target())) == ["split", "sub", "add"]
    np.testing.assert_array_equal(
        ms.compile(graph)(np.arange(8, dtype="float32").reshape(4, 2)), np.full((2, 2), -8)
    )


def test_what_the_graph_returns_twice_is_computed_twice() -> None:
    b = GraphBuilder("twice")
    x = b.input("x", (2,))
    graph = b.build({"y": b.op("exp", x), "z": b.op("exp", x)})
    assert ops(RUN(graph, Target())) == ["exp", "exp"]


@pytest.mark.parametrize("format", ["csr", "bsr"])
def test_sparse_constants_are_compared_by_what_they_store(format: str) -> None:
    dense = np.kron(np.eye(2), np.ones((2, 2))).astype("float32")
    layouts = {"csr": ({}, {}), "bsr": ({"block": (2, 2)}, {"block": (1, 2)})}[format]
    same, other = (from_dense(dense, format, **layout) for layout in layouts)
    assert isinstance(same, CSR | BSR)
    b = GraphBuilder("sparse")
    x = b.input("x", (4, 3))
    again = from_dense(dense, format, **layouts[0])
    changed = from_dense(dense * 2, format, **layouts[0])
    weights = {"w": same, "again": again, "other": other, "changed": changed}
    products = [b.op("spmm", b.constant(n, w), x) for n, w in weights.items()]
    graph = b.build({"y": b.op("max", *products)})
    after = RUN(graph, Target())
    expected = {"w", "changed"} | ({"other"} if format == "bsr" else set())
    assert set(after.constants) == expected


def test_the_constant_whose_pattern_is_known_is_kept() -> None:
    b = GraphBuilder("known")
    x = b.input("x", (2, 3))
    w = np.array([[1, 0, 0], [0, 0, 2]], "float32")
    names = [b.constant(name, w.copy()) for name in ("v", "w")]
    graph = b.build({"y": b.op("add", *(b.op("gemm", x, n, transB=1) for n in names))})
    found = RECOGNIZE_SPARSITY.run(graph, Target())
    known = replace(found, patterns={"w": found.patterns["w"]})
    assert set(RUN(known, Target()).constants) == {"w"}
