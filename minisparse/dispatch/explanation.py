"""A plan told as data: every candidate, its price, the choice, the reason, what would change it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from minisparse.core.errors import UsageError
from minisparse.core.tensor_type import DENSE
from minisparse.cost import Candidate, Price, Rejected, apart, candidates, rejected
from minisparse.dispatch.counterfactual import Counterfactual, counterfactuals
from minisparse.dispatch.plan import Plan, Step
from minisparse.dispatch.reasons import why_not
from minisparse.dispatch.stages import Stage, stages
from minisparse.dispatch.weight_bytes import packed_of
from minisparse.kernels import PROVIDERS
from minisparse.passes.select_instruction import NOTE, instruction_for

if TYPE_CHECKING:
    from minisparse.cost.instruction_selection import Selection
    from minisparse.dispatch.difference import Difference


@dataclass(frozen=True)
class CandidateExplanation:
    """One way in which a node could have been computed.

    Attributes
    ----------
    name : str
        Layout and level; ``ms.compile(graph, choose={node: name})`` forces it.
    seconds : float
        Predicted time of one call.
    price : Price
        The same, split into what it is spent on.
    convert_seconds, prepare_seconds : float
        Predicted time of converting the weight to this layout, and of packing it: once.
    measured_seconds : float or None
        Measured time of one call, where candidates were timed.
    flops, bytes, gathered, calls : float
        What the prediction is made of: operations, bytes moved, elements fetched through an index,
        calls into NumPy.
    weight_bytes : int
        Bytes of the weight in this layout.
    packed_bytes : int or None
        Bytes that are packed of it besides; None where another library does not tell.
    packed_measured : bool
        Whether that is what was packed, and not a prediction.
    way : str
        Which of its ways the kernel takes: ``"product"``, ``"panels"``, ``"blocks"`` …; empty where
        it has one.
    chosen : bool
        Whether the plan runs it.
    why : str
        Why it was chosen, or why not.
    """

    name: str
    seconds: float
    price: Price
    convert_seconds: float
    prepare_seconds: float
    measured_seconds: float | None
    flops: float
    bytes: float
    gathered: float
    calls: float
    weight_bytes: int
    packed_bytes: int | None
    packed_measured: bool
    way: str
    chosen: bool
    why: str


@dataclass(frozen=True)
class NodeExplanation:
    """One node: its candidates, cheapest first, and why one was chosen."""

    name: str
    op: str
    candidates: tuple[CandidateExplanation, ...]
    why: str
    _plan: Plan = field(repr=False)
    _step: Step = field(repr=False)
    _known: dict[Any, tuple[Counterfactual, ...]] = field(repr=False, compare=False)

    @property
    def chosen(self) -> CandidateExplanation:
        """The candidate that the plan runs."""
        return next(c for c in self.candidates if c.chosen)

    @property
    def live(self) -> str:
        """What each run looks at, and when it skips rows of the weight; or ``""``."""
        return "" if self._step.live is None else str(self._step.live)

    @cached_property
    def instruction(self) -> "Selection | None":
        """Which instruction suits the weight on the target, and why the others do not."""
        return instruction_for(self._plan.sized, self._step.node, self._plan.target)

    @property
    def note(self) -> str:
        """What ``select_instruction`` noted of it in one line; ``""`` where there is nothing."""
        return self._plan.graph.metadata.get(f"{NOTE}{self._step.node.name}", "")

    @cached_property
    def rejected(self) -> tuple[Rejected, ...]:
        """The ways in which it cannot be computed, though there is a kernel, and why."""
        return rejected(self._plan.sized, self._step.node, self._plan.target)

    @property
    def asked_for(self) -> bool:
        """Whether the caller asked for the candidate that is chosen."""
        return self._step.node.name in self._plan.target.choose

    @cached_property
    def repays_after(self) -> int | None:
        """After how many runs a sparse weight has earned what converting and packing it took.

        None where the weight is dense, or where the dense kernel would be as fast.
        """
        before = apart(self._plan.sized, self._step.node)
        if before is None or self._step.chosen.layout == DENSE:
            return None
        priced = {c.name: c for c in candidates(before, before.nodes[0], self._plan.target)}
        dense = [c.seconds for c in priced.values() if c.layout == DENSE]
        chosen = priced.get(self._step.chosen.name)
        if chosen is None or not dense or min(dense) <= chosen.seconds:
            return None
        return math.ceil(chosen.once_seconds / (min(dense) - chosen.seconds))

    @cached_property
    def counterfactuals(self) -> tuple[Counterfactual, ...]:
        """At which density of which zeros sparse would begin to be faster; priced when asked."""
        graph, node = self._plan.sized, self._step.node
        types = tuple(
            t if i != node.op.base.weight else (t.shape, t.dtype)
            for i, t in enumerate(graph.operand_types(node))
        )
        alike = node.op.name, types, repr(sorted(node.attrs.items()))
        if alike not in self._known:
            self._known[alike] = counterfactuals(graph, node, self._plan.target)
        return self._known[alike]

    def __str__(self) -> str:
        """Return candidates and reasons as text of at most 80 columns."""
        from minisparse.dispatch.explanation_text import node_text

        return node_text(self)

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        from minisparse.dispatch.explanation_text import node_sections
        from minisparse.show import card

        return card(f"why {self.chosen.name}", *node_sections(self))


@dataclass(frozen=True)
class Explanation:
    """Why a plan is as it is.

    Attributes
    ----------
    title : str
        Model and target.
    machine : str
        Where the figures of the machine come from.
    sizes : str
        The sizes that prices are for.
    passes : tuple of str
        What each pass did, a line each.
    nodes : tuple of NodeExplanation
        Each node's candidates; after a control op those of the nodes in its bodies.
    """

    title: str
    machine: str
    sizes: str
    passes: tuple[str, ...]
    nodes: tuple[NodeExplanation, ...]
    _plan: Plan = field(repr=False)

    @property
    def seconds(self) -> float:
        """Predicted time of one run: that of all steps, those of bodies left out."""
        return sum(step.chosen.seconds for step in self._plan.steps)

    @cached_property
    def waterfall(self) -> tuple[Stage, ...]:
        """What a run is predicted to take after each pass that changed something; losses too."""
        return stages(self._plan)

    def node(self, name: str) -> NodeExplanation:
        """Return the explanation of one node.

        Raises
        ------
        UsageError
            If there is none of that name; the known ones are named.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise UsageError(f"{self.title} has no node '{name}'; it has: {known}")

    def only(self, name: str) -> "Explanation":
        """Return the explanation with one node alone; UsageError if there is none of that name."""
        return replace(self, nodes=(self.node(name),))

    def diff(self, other: "Explanation") -> "Difference":
        """Return where another plan chooses otherwise: of another model, or for another target."""
        from minisparse.dispatch.difference import compare_plans

        return compare_plans(self, other)

    def as_data(self) -> Mapping[str, Any]:
        """Return everything as plain lists, dictionaries, numbers and texts, as for JSON."""
        from minisparse.dispatch.explanation_text import as_data

        return as_data(self)

    def __str__(self) -> str:
        """Return everything as text of at most 80 columns."""
        from minisparse.dispatch.explanation_text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        from minisparse.dispatch.explanation_text import as_html

        return as_html(self)


def explain(plan: Plan) -> Explanation:
    """Return why a plan is as it is."""
    sizes = ", ".join(f"{name} {type}" for name, type in plan.sized.inputs.items())
    machine = plan.target.machine
    return Explanation(
        f"plan {plan.graph.name} for {machine.name}",
        "; ".join(filter(None, (machine.origin, machine.source))),
        sizes,
        tuple(map(str, plan.reports)),
        tuple(_nodes(plan)),
        plan,
    )


def _nodes(
    plan: Plan, inside: str = "", known: dict[Any, tuple[Counterfactual, ...]] | None = None
) -> Iterator[NodeExplanation]:
    """Yield every step, and after a control op those of its bodies: ``loop_1.body/h``."""
    known = {} if known is None else known
    for step in plan.steps:
        name = f"{inside}{step.node.name}"
        found = tuple(_candidate(c, step, plan) for c in step.candidates)
        yield NodeExplanation(name, step.node.op.name, found, step.why, plan, step, known)
        for attribute, body in step.bodies.items():
            yield from _nodes(body, f"{name}.{attribute}/", known)


def _candidate(candidate: Candidate, step: Step, plan: Plan) -> CandidateExplanation:
    work, chosen = candidate.work, candidate is step.chosen
    packed = None if candidate.level in PROVIDERS else candidate.packed_bytes
    weight = _weight(step, plan) if chosen else None
    if weight is not None:
        packed = packed_of(step, weight)
    return CandidateExplanation(
        candidate.name,
        candidate.seconds,
        candidate.price,
        candidate.convert_seconds,
        candidate.prepare_seconds,
        candidate.measured_seconds,
        work.flops,
        work.bytes,
        work.gathered,
        work.calls,
        candidate.weight_bytes,
        packed,
        weight is not None and packed is not None,
        work.way,
        chosen,
        step.why if chosen else why_not(candidate, step.chosen, plan.target),
    )


def _weight(step: Step, plan: Plan) -> Any:
    """Return the constant that a step packs, None where it has none."""
    at = step.node.op.base.weight
    if at is None or at >= len(step.node.inputs):
        return None
    return plan.graph.constants.get(step.node.inputs[at])
