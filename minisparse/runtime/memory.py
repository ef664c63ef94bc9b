"""How much memory a run needs: foretold by the memory plan, and measured."""

import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minisparse.core.errors import UsageError
from minisparse.dispatch import Plan
from minisparse.dispatch.memory_plan import lay_out_values, plan_memory, sizes_in, values_at
from minisparse.graph import Graph
from minisparse.graph.feeds import check_feeds
from minisparse.kernels.scratch import forget_scratch
from minisparse.runtime.interpreter import run
from minisparse.show import human_bytes


@dataclass(frozen=True)
class Memory:
    """Most bytes that are held at once while a plan runs.

    Attributes
    ----------
    weights : int
        Bytes of all constants as stored.
    packed : int
        Bytes that kernels packed of them besides, once, and keep.
    predicted : int
        Most bytes of values between nodes: the arena and what is allocated besides, results
        included, inputs not.
    measured : int
        Most bytes that a run holds: values, scratch that passes and scratch that kernels keep.
    peak : int
        The same, foretold by the memory plan.
    """

    weights: int
    packed: int
    predicted: int
    measured: int
    peak: int

    def __str__(self) -> str:
        """Return a phrase."""
        return (
            f"weights {human_bytes(self.weights)}, packed besides {human_bytes(self.packed)}, "
            f"values {human_bytes(self.predicted)} (with scratch {human_bytes(self.measured)})"
        )


def measure_memory(plan: Plan, feeds: Mapping[str, Any]) -> Memory:
    """Run a plan under watch, and add its arena, which was there before.

    What kernels keep from call to call is forgotten first, so that it is allocated under watch; of
    two runs the second is measured, in which it is there from the beginning, as in all later ones.

    Parameters
    ----------
    plan : Plan
        What to run.
    feeds : mapping
        From input names to arrays.
    """
    if plan.placement is not None:
        raise UsageError(
            "measure_memory watches main memory, and the plan runs on the GPU: ask CuPy, as in "
            "cupy.get_default_memory_pool().total_bytes()"
        )
    given = check_feeds(plan.graph, feeds)
    sizes = sizes_of(plan.graph, given)
    plan.arenas.release()  # one that served larger inputs would be too large
    run(plan, given)
    foretold = plan_memory(plan, sizes)
    watched_before = tracemalloc.is_tracing()
    forget_scratch()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        run(plan, given)
        tracemalloc.reset_peak()
        run(plan, given)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not watched_before:
            tracemalloc.stop()
    values = max(foretold.values, default=0)
    measured = peak - before + _arena_bytes(plan)
    packed = sum(weight.packed for weight in foretold.weights)
    return Memory(plan.graph.weight_bytes, packed, values, measured, foretold.peak)


def _arena_bytes(plan: Plan) -> int:
    """Return the bytes of a plan's arenas, and of its bodies' ones."""
    bodies = [body for step in plan.steps for body in step.bodies.values()]
    return plan.arenas.nbytes + sum(map(_arena_bytes, bodies))


def sizes_of(graph: Graph, feeds: Mapping[str, Any]) -> dict[str, int]:
    """Return the size that each named dimension has in these inputs."""
    return sizes_in(graph, [feeds[name].shape for name in graph.inputs])


def predict_peak(plan: Plan, sizes: Mapping[str, int]) -> int:
    """Return the most bytes of computed values that a run holds at once.

    That is the arena, in which values follow each other and are written over each other, and what
    is allocated besides: see :class:`~minisparse.dispatch.memory_plan.MemoryPlan`. Sizes that only
    a run tells count as those that prices are for.

    Parameters
    ----------
    plan : Plan
        What would run.
    sizes : mapping
        From named dimensions to sizes.

    Examples
    --------
    >>> import minisparse as ms
    >>> b = ms.GraphBuilder("chain")
    >>> h = b.op("softmax", b.op("softmax", b.input("x", ("n",))))
    >>> predict_peak(ms.compile(b.build({"y": h})), {"n": 160})
    1280
    """
    return max(values_at(lay_out_values(plan, sizes), len(plan.steps)), default=0)
