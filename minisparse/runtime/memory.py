"""How much memory a run needs: foretold from the plan's types, and measured."""

import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minisparse.core.symbolic import names_in
from minisparse.core.tensor_type import TensorType
from minisparse.dispatch import Plan
from minisparse.graph import Graph
from minisparse.graph.feeds import check_feeds
from minisparse.runtime.interpreter import run
from minisparse.show import human_bytes


@dataclass(frozen=True)
class Memory:
    """Most bytes that are held at once while a plan runs.

    Attributes
    ----------
    weights : int
        Bytes of all constants as stored; what kernels packed of them comes on top.
    predicted : int
        Most bytes of values between nodes that are alive at once, results included, inputs not.
    measured : int
        Most bytes that one run had allocated: values, and besides what kernels need while they
        compute and do not keep from run to run.
    """

    weights: int
    predicted: int
    measured: int

    def __str__(self) -> str:
        """Return a phrase."""
        return (
            f"weights {human_bytes(self.weights)}, values {human_bytes(self.predicted)} "
            f"(with scratch {human_bytes(self.measured)})"
        )


def measure_memory(plan: Plan, feeds: Mapping[str, Any]) -> Memory:
    """Run a plan once to warm up and once under watch.

    Parameters
    ----------
    plan : Plan
        What to run.
    feeds : mapping
        From input names to arrays.
    """
    given = check_feeds(plan.graph, feeds)
    run(plan, given)
    watched_before = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        run(plan, given)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not watched_before:
            tracemalloc.stop()
    return Memory(
        plan.graph.weight_bytes, predict_peak(plan, sizes_of(plan.graph, given)), peak - before
    )


def sizes_of(graph: Graph, feeds: Mapping[str, Any]) -> dict[str, int]:
    """Return the size that each named dimension has in these inputs."""
    return {
        str(dim): size
        for name, type in graph.inputs.items()
        for dim, size in zip(type.shape, feeds[name].shape, strict=True)
        if names_in(dim) == (dim,)
    }


def predict_peak(plan: Plan, sizes: Mapping[str, int]) -> int:
    """Return the most bytes of computed values that are alive at once.

    A value is alive from the node that computes it to its last reader, which may need it while its
    own result is being written; views count as if they were copies. Sizes that only a run tells
    count as those that prices are for.

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
    >>> h = b.op("relu", b.op("relu", b.input("x", ("n",))))
    >>> predict_peak(ms.compile(b.build({"y": h})), {"n": 100})
    800
    """
    graph = plan.graph.bind(**{n: s for n, s in sizes.items() if n in plan.graph.symbols})
    bytes_at = {plan.slots[name]: _bytes(plan, type) for name, type in graph.types.items()}
    computed = {place for i in plan.program.instructions for place in i.writes}
    alive = most = 0
    for _, _, writes, frees, _ in plan.program.instructions:
        alive += sum(bytes_at[place] for place in writes)
        most = max(most, alive)
        alive -= sum(bytes_at[place] for place in frees if place in computed)
    return most


def _bytes(plan: Plan, type: TensorType) -> int:
    """Return the bytes of a value; of a sparse one those of values and, roughly, indices."""
    known = plan.target.size(type)
    return known.nnz * (known.itemsize + known.index_itemsize)
