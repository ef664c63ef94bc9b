"""Samples of the ops that run bodies: whole numbers, so that whatever they compute is exact."""

from collections.abc import Iterator

import numpy as np

from minisparse.ops.arithmetic import ADD, MULTIPLY
from minisparse.ops.body import Body
from minisparse.ops.layout import TRANSPOSE
from minisparse.ops.node import Node
from minisparse.ops.op import Attrs, Op, Sample
from minisparse.ops.reductions import REDUCE_SUM


def body_of(inputs: str, outputs: str, *nodes: tuple[Op, str, str, Attrs]) -> Body:
    """Return a body of nodes that are written as op, operands, result and attributes."""
    return Body(
        tuple(inputs.split()),
        tuple(
            Node(result, op, tuple(operands.split()), (result,), op.complete(attrs))
            for op, operands, result, attrs in nodes
        ),
        tuple(outputs.split()),
    )


_DOUBLED = body_of("x y", "z", (ADD, "x x", "z", {}))
_SUMMED = body_of("x y", "z", (REDUCE_SUM, "x", "z", {"axes": (0,)}))
_TURNED = body_of("x y", "xt p y", (TRANSPOSE, "x", "xt", {}), (MULTIPLY, "y y", "p", {}))
_KEPT = body_of("x y", "x y y")
_COUNTING = body_of("i go n", "go m m", (ADD, "n i", "m", {}))
_GROWING = body_of("i go x y", "go z", (ADD, "x y", "z", {}))
_FLAGGED = body_of(
    "i go x more y", "on z last z", (MULTIPLY, "go more", "on", {}), (ADD, "x y", "z", {}),
    (MULTIPLY, "more go", "last", {}),
)  # fmt: skip
_COLLECTING = body_of("i go x", "go y", (MULTIPLY, "x i", "y", {}))


def if_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield branches with other sizes and several results, some of them handed back as given."""
    x = rng.integers(-9, 9, (2, 3)).astype("float32")
    y = rng.integers(-9, 9, 4)
    for taken in (True, False):
        condition = np.array(taken)
        branches = {"then_branch": _DOUBLED, "else_branch": _SUMMED}
        yield Sample(f"{taken}, other sizes", (condition, x, y), branches)
        branches = {"then_branch": _TURNED, "else_branch": _KEPT}
        yield Sample(f"{taken}, several results", (condition, x, y), branches)
    yield Sample("one element", (np.array([True]), x[:0], y), branches)


def loop_samples(rng: "np.random.Generator") -> Iterator[Sample]:
    """Yield loops of any number of iterations, that grow, stop by a condition, carry nothing."""
    x = rng.integers(-9, 9, (1, 3)).astype("float32")
    most, yes, no = np.array(2**63 - 1), np.array(True), np.array(False)
    counting = {"body": _COUNTING, "carried": 1}
    for trips in (0, 1, 5, -1):
        start = np.array([trips, 10])
        yield Sample(f"{trips} iterations", (np.array(trips), yes, start), counting)
    yield Sample("never begun", (most, no, np.array([1])), counting)
    y = rng.integers(-9, 9, (2, 3)).astype("float32")
    growing = {"body": _GROWING, "carried": 1}
    yield Sample("growing", (np.array([3]), np.array([True]), x, y), growing)
    flagged = {"body": _FLAGGED, "carried": 2}
    yield Sample("until a condition", (most, yes, x, no, x[0]), flagged)
    yield Sample("nothing carried", (np.array(4), yes, y), {"body": _COLLECTING, "carried": 0})
