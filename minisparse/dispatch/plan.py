"""A plan: for every node the kernel that will run, and why that one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from minisparse.core.errors import UsageError
from minisparse.cost import Candidate, Target
from minisparse.dispatch.program import Program, make_program
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
    bodies : mapping
        Of a control op, the plan of each body that may run, by the attribute that holds it.
    """

    node: Node
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    why: str
    packed: Any = None
    prepare_seconds: float = 0.0
    unsettled: bool = False
    bodies: Mapping[str, "Plan"] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """The chosen kernel's chosen level."""
        return level_of(self.chosen.kernel, self.chosen.level)


@dataclass(frozen=True)
class Plan:
    """How a graph will be run on a target; it never changes.

    Attributes
    ----------
    source : Graph
        The graph as it was given.
    graph : Graph
        The graph after all passes: what will be run.
    target : Target
        What it was compiled for.
    steps : tuple of Step
        One for each node, in order.
    reports : tuple of PassReport
        What each pass did.
    """

    source: Graph
    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    reports: tuple[PassReport, ...]

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

    @property
    def constants(self) -> dict[str, Constant]:
        """The weights, by name."""
        return dict(self.graph.constants)

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
