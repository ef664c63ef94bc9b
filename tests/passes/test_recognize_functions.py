"""Functions in small ops, as exporters write them, are told; what is nearly one is not."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.cost import Target
from minisparse.graph import Graph, GraphBuilder
from minisparse.passes import PASSES
from tests.passes.random_networks import assert_same

Write = Callable[["Net", str], str]


class Net:
    """A builder of formulas: numbers become constants."""

    def __init__(self, dtype: str = "float64") -> None:
        self.b = GraphBuilder("spelled")
        self.dtype = dtype
        self.x = self.b.op("abs", self.b.input("x", ("batch", 3, 8), dtype))
        self.count = 0

    def __call__(self, op: str, *operands: str | float | list[float], **attrs: Any) -> str:
        names = [o if isinstance(o, str) else self.constant(o) for o in operands]
        return self.b.op(op, *names, **attrs)

    def constant(self, value: float | list[float]) -> str:
        self.count += 1
        return self.b.constant(f"c{self.count}", np.array(value, self.dtype))


def graph_of(write: Write, dtype: str = "float64", *also: str) -> Graph:
    net = Net(dtype)
    y = write(net, net.x)
    return net.b.build([y, *also])


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def recognized(graph: Graph) -> Graph:
    return PASSES["recognize_functions"].run(graph, Target())


R2 = math.sqrt(2)
SCALE = [0.5 + i for i in range(8)]
LAST = {"axes": (-1,), "keepdims": 1}


def gelu(n: Net, x: str) -> str:
    half = n("multiply", x, n("add", n("erf", n("div", x, R2)), 1.0))
    return n("multiply", half, 0.5)


def gelu_factors_first(n: Net, x: str) -> str:
    return n("multiply", n("multiply", 0.5, x), n("add", 1.0, n("erf", n("multiply", 1 / R2, x))))


def gelu_halved(n: Net, x: str) -> str:
    return n("div", n("multiply", n("add", n("erf", n("div", x, R2)), 1.0), x), 2.0)


def gelu_tanh(n: Net, x: str) -> str:
    cubic = n("add", x, n("multiply", n("pow", x, 3.0), 0.044715))
    gate = n("add", 1.0, n("tanh", n("multiply", math.sqrt(2 / math.pi), cubic)))
    return n("multiply", n("multiply", x, 0.5), gate)


def gelu_tanh_by_products(n: Net, x: str) -> str:
    cube = n("multiply", n("multiply", x, x), x)
    cubic = n("add", n("multiply", 0.044715, cube), x)
    gate = n("add", n("tanh", n("multiply", cubic, math.sqrt(2 / math.pi))), 1.0)
    return n("multiply", 0.5, n("multiply", gate, x))


def gelu_fast(n: Net, x: str) -> str:
    square = n("multiply", n("multiply", 0.044715, x), x)
    inner = n("multiply", n("multiply", x, math.sqrt(2 / math.pi)), n("add", 1.0, square))
    return n("multiply", n("multiply", 0.5, x), n("add", 1.0, n("tanh", inner)))


def hard_swish_by_clip(n: Net, x: str) -> str:
    return n("div", n("multiply", x, n("clip", n("add", x, 3.0), min=0, max=6)), 6.0)


def normal(n: Net, x: str, root: str = "sqrt", square: str = "pow") -> str:
    d = n("sub", x, n("reduce_mean", x, **LAST))
    squares = n("pow", d, 2.0) if square == "pow" else n("multiply", d, d)
    total = n("add", n("reduce_mean", squares, **LAST), 1e-3)
    if root == "sqrt":
        return n("div", d, n("sqrt", total))
    if root == "pow":
        return n("multiply", d, n("pow", total, -0.5))
    return n("multiply", d, n("reciprocal", n("sqrt", total)))


def layer_norm(n: Net, x: str) -> str:
    return n("add", n("multiply", normal(n, x), SCALE), SCALE[::-1])


def layer_norm_otherwise(n: Net, x: str) -> str:
    return n("add", SCALE[::-1], n("multiply", SCALE, normal(n, x, "reciprocal", "product")))


def over_two_axes(n: Net, x: str) -> str:
    two = {"axes": (1, 2), "keepdims": 1}
    d = n("sub", x, n("reduce_mean", x, **two))
    mean = n("reduce_mean", n("pow", d, 2.0), **two)
    return n("multiply", n("div", d, n("sqrt", n("add", mean, 1e-5))), SCALE)


def rms_norm(n: Net, x: str) -> str:
    mean = n("reduce_mean", n("pow", x, 2.0), **LAST)
    over = n("div", 1.0, n("sqrt", n("add", mean, 1e-6)))
    return n("multiply", SCALE, n("multiply", x, over))


def softmax(n: Net, x: str) -> str:
    e = n("exp", n("sub", x, n("reduce_max", x, **LAST)))
    return n("div", e, n("reduce_sum", e, **LAST))


def log_softmax(n: Net, x: str) -> str:
    d = n("sub", x, n("reduce_max", x, axes=(1,), keepdims=1))
    return n("sub", d, n("log", n("reduce_sum", n("exp", d), axes=(1,), keepdims=1)))


def by_exponential(top: float | None) -> Write:
    def write(n: Net, x: str) -> str:
        return n("div", x if top is None else top, n("add", 1.0, n("exp", n("neg", x))))

    return write


FUNCTIONS: dict[str, tuple[Write, str]] = {
    "max": (lambda n, x: n("max", x, 0.0), "relu"),
    "max, zero first": (lambda n, x: n("max", 0.0, x), "relu"),
    "clip from zero": (lambda n, x: n("clip", x, min=0), "relu"),
    "sigmoid": (by_exponential(1.0), "sigmoid"),
    "silu by exp": (by_exponential(None), "silu"),
    "silu": (lambda n, x: n("multiply", n("sigmoid", x), x), "silu"),
    "hard_swish": (
        lambda n, x: n("multiply", x, n("hard_sigmoid", x, alpha=1 / 6, beta=0.5)),
        "hard_swish",
    ),
    "hard_swish by clip": (hard_swish_by_clip, "hard_swish"),
    "gelu": (gelu, "gelu"),
    "gelu, factors first": (gelu_factors_first, "gelu"),
    "gelu, halved": (gelu_halved, "gelu"),
    "gelu by tanh": (gelu_tanh, "gelu"),
    "gelu by tanh, products": (gelu_tanh_by_products, "gelu"),
    "gelu, fast": (gelu_fast, "gelu"),
    "layer norm": (layer_norm, "layer_normalization"),
    "layer norm, otherwise": (layer_norm_otherwise, "layer_normalization"),
    "layer norm, no bias": (lambda n, x: n("multiply", normal(n, x, "pow"), SCALE),
                            "layer_normalization"),
    "layer norm, two axes": (over_two_axes, "layer_normalization"),
    "rms norm": (rms_norm, "rms_normalization"),
    "softmax": (softmax, "softmax"),
    "log_softmax": (log_softmax, "log_softmax"),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_in_small_ops_is_told(name: str) -> None:
    write, op = FUNCTIONS[name]
    graph = graph_of(write)
    found = recognized(graph)
    assert ops(found) == ["abs", op]
    assert_same(graph, found)
    assert str(recognized(found)) == str(found)


@pytest.mark.parametrize("name", ["gelu", "gelu by tanh", "hard_swish by clip", "layer norm"])
def test_constants_are_those_that_float32_has(name: str) -> None:
    write, op = FUNCTIONS[name]
    assert ops(recognized(graph_of(write, "float32"))) == ["abs", op]


def two_of(write: Write) -> Write:
    """Return what computes a function of x, and once more of the result."""
    return lambda n, x: write(n, write(n, x))


@pytest.mark.parametrize("name", ["gelu", "gelu by tanh", "layer norm", "softmax"])
def test_one_after_another_are_told_both(name: str) -> None:
    write, op = FUNCTIONS[name]
    graph = graph_of(two_of(write))
    found = recognized(graph)
    assert ops(found) == ["abs", op, op]
    assert_same(graph, found)


NEARLY: dict[str, Write] = {
    "another root": lambda n, x: n(
        "multiply", n("multiply", x, n("add", n("erf", n("div", x, 1.41)), 1.0)), 0.5
    ),
    "a root that float32 rounded": lambda n, x: n(
        "multiply",
        n("multiply", x, n("add", n("erf", n("div", x, float(np.float32(R2)))), 1.0)),
        0.5,
    ),
    "no half": lambda n, x: n("multiply", x, n("add", n("erf", n("div", x, R2)), 1.0)),
    "of another value": lambda n, x: n(
        "multiply",
        n("multiply", n("neg", x), n("add", n("erf", n("div", x, R2)), 1.0)),
        0.5,
    ),
    "a gate of another value": lambda n, x: n("multiply", x, n("sigmoid", n("neg", x))),
    "one": lambda n, x: n("max", x, 1.0),
    "from one on": lambda n, x: n("clip", x, min=1),
    "up to one": lambda n, x: n("clip", x, min=0, max=1),
    "a larger result": lambda n, x: n("max", x, n.b.constant("z", np.zeros((1, 1, 1, 1)))),
    "a mean of other axes": lambda n, x: n(
        "multiply",
        n("div", x, n("sqrt", n("add", n("reduce_mean", n("pow", x, 2.0), axes=(1,)), 1e-5))),
        SCALE,
    ),
    "a cube": lambda n, x: n(
        "multiply",
        n("div", x, n("sqrt", n("add", n("reduce_mean", n("pow", x, 3.0), **LAST), 1e-5))),
        SCALE,
    ),
    "less than zero": lambda n, x: n(
        "multiply",
        n("div", x, n("sqrt", n("add", n("reduce_mean", n("pow", x, 2.0), **LAST), -1e-5))),
        SCALE,
    ),
    "log of another sum": lambda n, x: n(
        "sub", x, n("log", n("reduce_sum", n("exp", n("sub", x, n("neg", x))), **LAST))
    ),
}


@pytest.mark.parametrize("name", NEARLY)
def test_what_is_nearly_a_function_stays(name: str) -> None:
    graph = graph_of(NEARLY[name])
    assert recognized(graph).nodes == graph.nodes


def test_what_others_read_is_computed_for_them() -> None:
    """A value between that is an output stays, and so does what leads to it."""
    net = Net()
    gate = net("add", net("erf", net("div", net.x, R2)), 1.0)
    y = net("multiply", net("multiply", net.x, gate), 0.5)
    graph = net.b.build([y, gate])
    assert recognized(graph).nodes == graph.nodes
