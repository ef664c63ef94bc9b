"""A plan as the interpreter wants it: for each step what to call, and where its values lie.

Everything that does not depend on the inputs is looked up once, when a plan runs first: names
become places in a list, attributes are bound, prepared weights lie beside the constants. A value's
place is emptied after its last reader, so that a run needs as much memory as is alive at once.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import known_type
from minisparse.formats import Matrix
from minisparse.kernels import Level, bind, pack

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan, Step

Call = Callable[..., Any]


class Instruction(NamedTuple):
    """One step, ready to run.

    Attributes
    ----------
    call : callable
        From the operands to the result, or to a tuple where there are several.
    reads, writes : tuple of int
        Places of operands and of results.
    frees : tuple of int
        Places of values that no later step reads, and that are no outputs.
    """

    call: Call
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    frees: tuple[int, ...]


class Program(NamedTuple):
    """A plan's steps as instructions.

    Attributes
    ----------
    instructions : tuple of Instruction
        In order, one for each step.
    blank : list
        The values before a run: constants in their places, None everywhere else.
    outputs : mapping
        From output names to places.
    """

    instructions: tuple[Instruction, ...]
    blank: list[Any]
    outputs: dict[str, int]


def make_program(plan: "Plan") -> Program:
    """Return a plan's steps as instructions."""
    slots = plan.slots
    blank: list[Any] = [None] * len(slots)
    for name, constant in plan.graph.constants.items():
        blank[slots[name]] = constant
    outputs = {shown: slots[value] for shown, value in plan.graph.outputs.items()}
    kept = {*outputs.values(), *(slots[name] for name in plan.graph.constants)}
    last = _last_readers(plan)
    instructions = []
    for i, step in enumerate(plan.steps):
        reads = [slots[name] for name in step.node.inputs]
        writes = tuple(slots[name] for name in step.node.outputs)
        touched = dict.fromkeys((*reads, *writes))
        frees = tuple(place for place in touched if last.get(place, i) == i and place not in kept)
        call = _call_of(step)
        at = step.node.op.base.weight
        if step.unsettled:
            call = partial(_checked, call, step)
        elif at is not None and step.packed is not None:
            reads[at] = len(blank)
            blank.append(step.packed)
        instructions.append(Instruction(call, tuple(reads), writes, frees))
    return Program(tuple(instructions), blank, outputs)


def _last_readers(plan: "Plan") -> dict[int, int]:
    """Return for each place that is read the number of the last step that reads it."""
    slots = plan.slots
    return {slots[name]: i for i, step in enumerate(plan.steps) for name in step.node.inputs}


def _call_of(step: "Step") -> Call:
    """Return what computes a step: from its operands, or with the packed weight among them.

    Where operands have still to be checked they come as they are, and the packed weight is put in.
    """
    call = bind(step.node.op, step.level, step.node.attrs)
    at = step.node.op.base.weight
    if at is None or step.level.prepare is None:
        return call
    if step.packed is None:
        return partial(_packing, call, step.level, at)
    return partial(_with_packed, call, step.packed, at) if step.unsettled else call


def _packing(call: Call, level: Level, at: int, *operands: Any) -> Any:
    """Pack a weight that the graph computes, then compute."""
    packed = pack(level, operands[at], once=True)
    return call(*operands[:at], packed, *operands[at + 1 :])


def _with_packed(call: Call, packed: Any, at: int, *operands: Any) -> Any:
    """Compute with the packed form of a weight in place of the weight, whose type was checked."""
    return call(*operands[:at], packed, *operands[at + 1 :])


def _checked(call: Call, step: "Step", *operands: Any) -> Any:
    """Check constraints on sizes that only now are known, then compute."""
    types = [x.type if isinstance(x, Matrix) else known_type(x) for x in operands]
    try:
        step.node.op.infer(types, step.node.attrs)
    except MinisparseError as error:
        raise type(error)(f"node '{step.node.name}': {error}") from error
    return call(*operands)
