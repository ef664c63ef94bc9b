"""Timings: what a step of a plan takes by itself, with a CUDA graph and without.

A chain of small layers, so that launches are all that takes time.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from minisparse.api import compile
from minisparse.bench.gpu.part import FailedItem, Item, Part, SkippedItem
from minisparse.core.xp import to_device
from minisparse.gpu.device import device_count
from minisparse.gpu.graphs import CaptureError, capture
from minisparse.gpu.timing import host_seconds, time_on_gpu
from minisparse.graph import Graph, GraphBuilder

SIDE, COLUMNS = 64, 8
LAYERS = 40
RUNS = 10
"""Runs that are launched in a row: a stream holds a thousand launches before the host waits."""
INTERPRETED, CAPTURED = 10.0, 3.0
"""Microseconds a node at most, without a CUDA graph and with one."""


def chain(layers: int = LAYERS) -> Graph:
    """Return layers of 64 rows, each a sparse product and a ReLU."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("chain")
    h = b.input("x", (SIDE, COLUMNS))
    for i in range(layers):
        dense = np.where(rng.random((SIDE, SIDE)) < 0.1, rng.random((SIDE, SIDE)), 0)
        h = b.op("spmm", b.constant(f"w{i}", dense.astype("float32")), h, name=f"layer{i}")
        h = b.op("relu", h, name=f"relu{i}")
    return b.build({"y": h})


def time_plan(level: str) -> Mapping[str, Any]:
    """Run the chain step by step, and as a CUDA graph, and tell what a node takes."""
    graph = chain()
    x = np.random.default_rng(1).random((SIDE, COLUMNS), np.float32)
    wanted = compile(graph).run({"x": x})["y"]
    plan = compile(graph, target="gpu", level=level, dynamic=False)
    nodes, given = len(plan.steps), to_device(x, "gpu")

    def step_by_step(x: Any = given) -> Any:
        return plan.run({"x": x})["y"]

    calls: dict[str, Callable[[], Any]] = {"interpreted": step_by_step}
    why = ""
    try:
        calls["captured"] = capture(step_by_step, [given])
    except CaptureError as error:
        why = str(error)
    for name, call in calls.items():
        found = to_device(call(), "cpu")
        if not np.allclose(found, wanted, rtol=1e-3):
            raise FailedItem(f"{name}: the card's result is not the host's")
    host = {name: 1e6 * host_seconds(call, RUNS) / nodes for name, call in calls.items()}
    warm = time_on_gpu(calls, cold=False)
    each = {name: 1e6 * float(np.median(s)) / nodes for name, s in warm.items()}
    found = {
        "nodes": nodes,
        "microseconds a node, host alone": _rounded(host),
        "microseconds a node, to the end": _rounded(each),
        "limits": {"interpreted": INTERPRETED, "captured": CAPTURED},
        "met": host["interpreted"] <= INTERPRETED and each.get("captured", np.inf) <= CAPTURED,
    }
    if why:
        raise FailedItem(f"{why}\nwithout: {found}")
    return found


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(figure, 3) for name, figure in figures.items()}


def _items(quick: bool) -> Iterator[Item]:
    if not device_count():
        raise SkippedItem("there is no card")
    for level in ("gpu", "vectorized"):
        yield Item(f"{LAYERS} small layers, level {level}", partial(time_plan, level))


LAUNCHES = Part("launches", "a plan's step, with a CUDA graph and without", 20, _items, order=140)
