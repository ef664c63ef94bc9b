"""A plan: for every node the kernel that will run, and why that one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from minisparse.core.errors import UsageError
from minisparse.cost import Candidate, Target
from minisparse.dispatch.bound import Arenas
from minisparse.dispatch.live_rows import LiveRows
from minisparse.dispatch.placement import Placement, place
from minisparse.dispatch.program import Program, make_program
from minisparse.dispatch.resized import Resizes
from minisparse.graph import Constant, Graph, Node
from minisparse.kernels import Level, level_of
from minisparse.passes import PassReport


@dataclass(frozen=True)
class Step:
    """One node with its kernel.

    Attributes
    ----------
    node : Node
        What is computed.
    chosen : Candidate
        How.
    candidates : tuple of Candidate
        Every way there was, cheapest first; those in another layout than the weight's would
        have needed a conversion that no pass inserted.
    why : str
        The reason for the choice, with its figures.
    packed : object
        The weight as the level prepared it, or None where the level prepares nothing, or the
        weight is computed by the graph and has to be prepared at each run.
    prepare_seconds : float
        How long preparing took.
    unsettled : bool
        Whether sizes of operands or results are known at run time only; the op's constraints are
        checked again then.
    live : LiveRows, optional
        How the step may skip rows of its weight, and when it does.
    bodies : mapping
        Of a control op, the plan of each body that may run, by the attribute that holds it.
    device : {"cpu", "gpu"}
        Where it computes: on a GPU everything but what is made of sizes.
    """

    node: Node
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    why: str
    packed: Any = None
    prepare_seconds: float = 0.0
    unsettled: bool = False
    live: LiveRows | None = None
    bodies: Mapping[str, "Plan"] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def level(self) -> Level:
        """The chosen kernel's chosen level, for where the step computes."""
        return level_of(self.chosen.kernel, self.chosen.level).on(self.device == "gpu")


@dataclass(frozen=True)
class Plan:
    """How a graph will be run on a target; it never changes.

    Attributes
    ----------
    given : Graph
        The graph as it was given.
    graph : Graph
        The graph after all passes: what will be run.
    target : Target
        What it was compiled for.
    steps : tuple of Step
        One for each node, in order.
    reports : tuple of PassReport
        What each pass did.
    memory_limit : int or None
        Bytes of weights, and of what a run needs besides, beyond which a run is refused.
    in_arena : bool
        Whether values between nodes lie in one piece of memory, and over each other where that is
        right; otherwise each is an array of its own.
    """

    given: Graph
    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    reports: tuple[PassReport, ...]
    memory_limit: int | None = None
    in_arena: bool = True

    @cached_property
    def sized(self) -> Graph:
        """The graph with every named dimension set to the size to expect: what prices are for."""
        return self.target.bind(self.graph)

    @cached_property
    def resizes(self) -> Resizes:
        """The steps that are computed otherwise where sizes are of another magnitude."""
        return Resizes(self)

    @cached_property
    def placement(self) -> Placement | None:
        """Where values lie in a plan for a GPU; None for a plan for main memory."""
        return place(self.graph) if self.target.device == "gpu" else None

    @property
    def fetches(self) -> dict[str, int]:
        """How many numbers each step of a plan for a GPU may fetch from it, where any at all.

        What is computed there and says a size here, and what the op has to look at; a loop's
        condition is fetched once an iteration besides.
        """
        placement = self.placement
        if placement is None:
            return {}
        found = {}
        for step in self.steps:
            crossing = placement.moved(step.node, self.graph.constants)
            count = sum(where == "cpu" for _, where in crossing)
            if step.device == "gpu" and self._asks(step.node):
                count += step.node.op.base.fetches
            if count:
                found[step.node.name] = count
        return found

    def _asks(self, node: Node) -> bool:
        """Tell whether a node's op is one that asks: add does only of sparse matrices."""
        types = [self.graph.types[name] for name in (*node.inputs, *node.outputs)]
        return not node.op.base.sparse or any(t.format != "dense" for t in types)

    @cached_property
    def slots(self) -> dict[str, int]:
        """From the name of every value to its place in the interpreter's list of values."""
        names = [*self.graph.inputs, *self.graph.constants]
        names += [output for step in self.steps for output in step.node.outputs]
        return {name: i for i, name in enumerate(names)}

    @cached_property
    def program(self) -> Program:
        """The steps as the interpreter runs them; made when first asked for."""
        return make_program(self)

    @cached_property
    def arenas(self) -> Arenas:
        """The memory that runs write to, kept for the next one."""
        return Arenas(self)

    @property
    def constants(self) -> dict[str, Constant]:
        """The weights, by name."""
        return dict(self.graph.constants)

    def source(self, name: str, level: str | None = None) -> str:
        """Return the source of what computes a node.

        Parameters
        ----------
        name : str
            The node's.
        level : {"loops", "vectorized", "gpu"}, optional
            Of a kernel generated for the node instead: for its op with epilogue, the layout and
            pattern of its weight, and its dtypes. By default the source of what runs.

        Raises
        ------
        UsageError
            If there is no such node or level, or what runs is no function of Python's.
        UnsupportedOpError
            If no kernel can be generated for the node.

        Examples
        --------
        >>> import numpy as np, minisparse as ms
        >>> b = ms.GraphBuilder("tiny")
        >>> w = b.constant("w", ms.from_dense(np.eye(4, dtype="float32"), "csr"))
        >>> graph = b.build({"y": b.op("spmm", w, b.input("x", (4, "n")), name="layer1")})
        >>> print(ms.compile(graph).source("layer1", level="loops").partition("b.dtype")[2])
        """
        from minisparse.dispatch.source import source_at  # which most plans are not asked for

        return source_at(self, self.step(name), level)

    def step(self, name: str) -> Step:
        """Return the step of the node of that name.

        Raises
        ------
        UsageError
            If there is none; the known ones are named.
        """
        for step in self.steps:
            if step.node.name == name:
                return step
        known = ", ".join(step.node.name for step in self.steps)
        raise UsageError(f"plan '{self.graph.name}' has no node '{name}'; it has: {known}")
