"""What gives back what it is given is removed, and nothing that only nearly does."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

import minisparse as ms
from minisparse.core.dtypes import Array
from minisparse.cost import Target
from minisparse.graph import Graph, GraphBuilder
from minisparse.passes import PASSES
from minisparse.passes.remove_identities import REMOVE_IDENTITIES

Build = Callable[[GraphBuilder, str], str]
COUNT = itertools.count()
X = np.array([[-0.0, 0.0, -2.5], [np.inf, np.nan, 1e-40]], "float32")


def const(b: GraphBuilder, *numbers: float, dtype: str = "int64") -> str:
    return b.constant(f"c{next(COUNT)}", np.array(numbers, dtype))


def between(build: Build, dtype: str = "float32") -> Graph:
    """Return ``neg(f(relu(x)))``, so that neither operand nor result is the graph's own."""
    b = GraphBuilder("between")
    x = b.input("x", (2, 3), dtype)
    return b.build({"y": b.op("neg", build(b, b.op("relu", x)))})


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def same_bits(a: Array, b: Array) -> bool:
    return bool(np.array_equal(a.view(np.uint8), b.view(np.uint8)))


GONE: dict[str, Build] = {
    "identity": lambda b, h: b.op("identity", h),
    "cast to the same": lambda b, h: b.op("cast", h, to="float32"),
    "transpose in order": lambda b, h: b.op("transpose", h, perm=(0, 1)),
    "reshape to the same": lambda b, h: b.op("reshape", h, const(b, 2, -1)),
    "flatten of a matrix": lambda b, h: b.op("flatten", h),
    "there and back": lambda b, h: b.op("squeeze", b.op("unsqueeze", h, const(b, 0)), const(b, 0)),
    "three reshapes": lambda b, h: b.op(
        "reshape", b.op("reshape", b.op("reshape", h, const(b, 6)), const(b, 3, 2)), const(b, 2, 3)
    ),
    "expand to the same": lambda b, h: b.op("expand", h, const(b, 1, 3)),
    "tile once": lambda b, h: b.op("tile", h, const(b, 1, 1)),
    "pad by nothing": lambda b, h: b.op("pad", h, const(b, 0, 0, 0, 0)),
    "slice of all": lambda b, h: b.op("slice", h, const(b, 0, 0), const(b, 2, 99)),
    "concat of one": lambda b, h: b.op("concat", h, axis=1),
    "maximum of one": lambda b, h: b.op("max", h),
    "clip without bounds": lambda b, h: b.op("clip", h),
    "relu twice": lambda b, h: b.op("relu", h),
    "x * 1": lambda b, h: b.op("multiply", h, const(b, 1, dtype="float32")),
    "1 * x": lambda b, h: b.op("multiply", const(b, 1, 1, 1, dtype="float32"), h),
    "x / 1": lambda b, h: b.op("div", h, const(b, 1, dtype="float32")),
    "x - 0": lambda b, h: b.op("sub", h, const(b, 0.0, dtype="float32")),
    "x + -0": lambda b, h: b.op("add", h, const(b, -0.0, -0.0, -0.0, dtype="float32")),
    "x ** 1": lambda b, h: b.op("pow", h, const(b, 1, dtype="float32")),
    "neg of neg": lambda b, h: b.op("neg", b.op("neg", h)),
}
STAYS: dict[str, Build] = {
    "cast to another": lambda b, h: b.op("cast", b.op("cast", h, to="float16"), to="float32"),
    "transpose of a square": lambda b, h: b.op("transpose", b.op("dsmm", h, square(b))),
    "slice backwards": lambda b, h: b.op(
        "slice", h, const(b, -1), const(b, -9), const(b, 0), const(b, -1)
    ),
    "x + 0, which makes 0 of -0": lambda b, h: b.op("add", h, const(b, 0.0, dtype="float32")),
    "x - -0": lambda b, h: b.op("sub", h, const(b, -0.0, dtype="float32")),
    "1 / x": lambda b, h: b.op("div", const(b, 1, dtype="float32"), h),
    "1 ** x": lambda b, h: b.op("pow", const(b, 1, dtype="float32"), h),
    "0 - x": lambda b, h: b.op("sub", const(b, 0, dtype="float32"), h),
    "ones but one": lambda b, h: b.op("multiply", h, const(b, 1, 1, 2, dtype="float32")),
    "a wider one": lambda b, h: b.op("multiply", h, const(b, 1, dtype="float64")),
    "exp twice": lambda b, h: b.op("exp", b.op("exp", h)),
    "other bounds": lambda b, h: b.op("clip", b.op("clip", h, min=1.0), min=2.0),
    "pad by one and cut": lambda b, h: b.op(
        "slice", b.op("pad", h, const(b, 0, 1, 0, 0)), const(b, 0, 0), const(b, 2, 3)
    ),
    "rows made columns": lambda b, h: b.op("reshape", h, const(b, 3, 2)),
}


def square(b: GraphBuilder) -> str:
    return b.constant("square", np.ones((3, 2), "float32"))


@pytest.mark.parametrize("what", GONE)
def test_what_gives_back_its_operand_goes(what: str) -> None:
    graph = between(GONE[what])
    after = REMOVE_IDENTITIES.run(graph, Target())
    assert ops(after) == ["relu", "neg"]
    found, expected = (ms.compile(g, skip=tuple(PASSES))(X) for g in (after, graph))
    assert same_bits(found, expected)


@pytest.mark.parametrize("what", STAYS)
def test_what_only_nearly_does_stays(what: str) -> None:
    graph = between(STAYS[what])
    assert ops(REMOVE_IDENTITIES.run(graph, Target())) == ops(graph)


def test_axes_of_length_one_may_change_places() -> None:
    b = GraphBuilder("columns")
    h = b.op("relu", b.input("x", (1, "n", 1)))
    graph = b.build({"y": b.op("neg", b.op("transpose", h, perm=(2, 1, 0)))})
    assert ops(REMOVE_IDENTITIES.run(graph, Target())) == ["relu", "neg"]


def test_a_sum_that_broadcasts_is_no_identity() -> None:
    b = GraphBuilder("wider")
    h = b.op("relu", b.input("x", (1, 3)))
    ones = b.constant("ones", np.ones((2, 3), "float32"))
    graph = b.build({"y": b.op("neg", b.op("multiply", h, ones))})
    assert "multiply" in ops(REMOVE_IDENTITIES.run(graph, Target()))


def test_a_result_that_is_returned_is_never_the_operand_itself() -> None:
    b = GraphBuilder("returned")
    x = b.input("x", (2, 3))
    graph = b.build({"y": b.op("identity", x), "z": b.op("identity", b.op("relu", x))})
    after = REMOVE_IDENTITIES.run(graph, Target())
    assert ops(after) == ["identity", "relu"]
    assert list(after.outputs) == ["y", "z"]


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "float64"])
def test_integers_have_one_zero(dtype: str) -> None:
    graph = between(lambda b, h: b.op("add", h, const(b, 0, dtype=dtype)), dtype)
    gone = "add" not in ops(REMOVE_IDENTITIES.run(graph, Target()))
    assert gone == (np.dtype(dtype).kind in "iu")
