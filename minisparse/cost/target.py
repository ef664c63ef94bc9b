"""What a graph is compiled for: a machine, the sizes to expect, the levels allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minisparse.core.errors import MinisparseError
from minisparse.core.symbolic import is_unknown
from minisparse.core.tensor_type import TensorType
from minisparse.cost.machine import Machine
from minisparse.cost.machines import find_machine
from minisparse.graph import Graph

USUAL_SIZE = 64
"""What a named dimension is assumed to be where the caller did not say."""


USUAL_CALLS = 10_000
"""In how many calls a plan is expected to be used where the caller did not say."""


POLICIES = ("predicted", "measured")
"""How a candidate is chosen: by its price, or by timing the best few."""


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
    calls : int
        In how many calls the plan is expected to be used: what is done once, as converting and
        packing a weight, is divided by it.
    choose : mapping
        From names of nodes to names of candidates that they have to be computed by.
    device : {"cpu", "gpu"}
        Where plans run: in main memory, or on the current card, whatever the machine.
    policy : {"predicted", "measured"}
        Whether the cheapest candidate is taken as predicted, or the best few are timed.
    dynamic : bool
        Whether a run may choose otherwise where it finds many zeros in what it is given.
    timings : dict
        Measured seconds by names of node and candidate: what one pass timed, the next knows.
    """

    machine: Machine = field(default_factory=lambda: find_machine("cpu"))
    sizes: Mapping[str, int] = field(default_factory=dict)
    levels: tuple[str, ...] = ("vectorized",)
    calls: int = USUAL_CALLS
    choose: Mapping[str, str] = field(default_factory=dict)
    policy: str = "predicted"
    dynamic: bool = True
    device: str = "cpu"
    timings: dict[tuple[str, str], float] = field(default_factory=dict, compare=False, repr=False)

    def size(self, type: TensorType) -> TensorType:
        """Return a type in which every size that is still unknown is the usual one."""
        return type.bind(dict.fromkeys(type.symbols, USUAL_SIZE)) if type.symbols else type

    def bind(self, graph: Graph) -> Graph:
        """Return the graph with every named dimension set to the size to expect.

        What has only the name of a size that nothing tells, as inside of bodies, keeps it. Where
        a model cannot be as large as is usual (it has positions for fewer tokens), a smaller size
        is expected.

        Raises
        ------
        MinisparseError
            If the graph does not work with the sizes that the caller expects.
        """
        named = [s for s in graph.symbols if not is_unknown(s)]
        refused: MinisparseError | None = None
        for usual in (USUAL_SIZE, 32, 16, 8, 4, 2, 1):
            try:
                return graph.bind(**{s: self.sizes.get(s, usual) for s in named})
            except MinisparseError as error:
                refused = refused or error
                if all(s in self.sizes for s in named):
                    break
        assert refused is not None
        raise refused
