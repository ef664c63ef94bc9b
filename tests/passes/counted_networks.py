"""Small networks for shrinking, one line a layer, whose parameters can be counted by hand."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.graph import Graph, GraphBuilder
from minisparse.passes.shrinking import shrink
from minisparse.passes.shrinking.report import ShrinkReport
from tests.passes.random_networks import assert_same

RNG = np.random.default_rng(5)


def some(*shape: int, dead: tuple[int, ...] = (), ignored: tuple[int, ...] = ()) -> Array:
    """Return weights without a zero, but for dead rows and ignored columns."""
    w = np.asarray(RNG.uniform(0.5, 1.5, shape) * RNG.choice([-1, 1], shape))
    w[list(dead)] = 0
    if ignored:
        w[:, list(ignored)] = 0
    return w


class Net:
    """A builder with one line a layer."""

    def __init__(self) -> None:
        self.b = GraphBuilder("net")
        self.count = 0

    def c(self, array: Any) -> str:
        self.count += 1
        return self.b.constant(f"c{self.count}", array)

    def __call__(self, op: str, x: str, *constants: Any, **attrs: Any) -> str:
        names = [value if isinstance(value, str) else self.c(value) for value in constants]
        return self.b.op(op, x, *names, **attrs)


def shrunk(net: Net, *outputs: str) -> tuple[Graph, ShrinkReport]:
    """Shrink, and see that it means the same and is done."""
    graph = net.b.build({f"y{i}": value for i, value in enumerate(outputs)})
    smaller, report = shrink(graph)
    assert_same(graph, smaller)
    assert shrink(smaller)[0] is smaller
    return smaller, report


def image(net: Net, channels: int = 3, size: int = 6) -> str:
    return net.b.input("x", ("batch", channels, size, size), "float64")
