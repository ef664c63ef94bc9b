"""Time candidates on the machine at hand, in turns, on operands of the sizes to expect."""

import statistics
import time
from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.cost.candidate import Candidate
from minisparse.cost.ready import columns_of, ready
from minisparse.cost.target import Target
from minisparse.graph import Graph, Node

ROUNDS = 5
"""How often each candidate is timed; the median counts."""
SECONDS = 0.25
"""After how much time no further round is begun; two are timed in any case."""


def time_candidates(
    graph: Graph, node: Node, found: Sequence[Candidate], target: Target
) -> dict[str, float]:
    """Return what one call of each candidate takes, in seconds, by the candidate's name.

    Each weight is converted and packed first, and each candidate called once, which is not timed.
    What stands beside the weight is drawn at random: normal numbers, and of integers 0 and 1.

    Parameters
    ----------
    graph : Graph
        With sizes known.
    node : Node
        A node of it, with a weight.
    found : sequence of Candidate
        The node's, to be timed.
    target : Target
        The sizes to assume where even the graph does not know them.
    """
    rng = np.random.default_rng(0)
    types = [target.size(graph.types[name]) for name in node.inputs]
    operands = [
        graph.constants[name] if name in graph.constants else _drawn(type, rng)
        for name, type in zip(node.inputs, types, strict=True)
    ]
    columns = columns_of(types[node.op.base.weight or 0], target.size(graph.types[node.output]))
    calls = {c.name: ready(graph, node, c, operands, columns) for c in found}
    times: dict[str, list[float]] = {name: [] for name in calls}
    with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
        for call in calls.values():
            call()
        start = time.perf_counter()
        for count in range(ROUNDS):
            if count > 1 and time.perf_counter() - start > SECONDS:
                break
            for name, call in calls.items():
                before = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - before)
    return {name: statistics.median(each) for name, each in times.items()}


def _drawn(type: TensorType, rng: np.random.Generator) -> Array:
    """Return a random array of a type."""
    if type.dtype.kind in "biu":
        return rng.integers(0, 2, type.dims).astype(type.dtype)
    return rng.standard_normal(type.dims).astype(type.dtype)
