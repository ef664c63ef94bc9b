"""What a graph is compiled for: a machine, the sizes to expect, the levels allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minisparse.core.tensor_type import TensorType
from minisparse.cost.machine import Machine, find_machine
from minisparse.graph import Graph

USUAL_SIZE = 64
"""What a named dimension is assumed to be where the caller did not say."""


@dataclass(frozen=True)
class Target:
    """What a graph is compiled for.

    Attributes
    ----------
    machine : Machine
        Whose speeds the prices are for.
    sizes : mapping
        Expected sizes of named dimensions; prices depend on them, results never do.
    levels : tuple of str
        Kernel levels that may be chosen: ours, and libraries by their names.
    """

    machine: Machine = field(default_factory=lambda: find_machine("cpu"))
    sizes: Mapping[str, int] = field(default_factory=dict)
    levels: tuple[str, ...] = ("vectorized",)

    def size(self, type: TensorType) -> TensorType:
        """Return a type in which every size that is still unknown is the usual one."""
        return type.bind(dict.fromkeys(type.symbols, USUAL_SIZE)) if type.symbols else type

    def bind(self, graph: Graph) -> Graph:
        """Return the graph with every named dimension set to the size to expect."""
        return graph.bind(**{s: self.sizes.get(s, USUAL_SIZE) for s in graph.symbols})
