"""A plan as the interpreter wants it: for each step what to call, and where its values lie.

Everything that does not depend on the inputs is looked up once, when a plan runs first: names
become places in a list, attributes are bound, prepared weights lie beside the constants. A value's
place is emptied after its last reader, so that a run needs as much memory as is alive at once.
What depends on the sizes of the inputs, where results lie, is :mod:`minisparse.dispatch.bound`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import KNOWN_LIMIT, known_type
from minisparse.core.xp import asarray, is_on_gpu
from minisparse.dispatch.bound import run_plan
from minisparse.dispatch.live_rows import Choosing
from minisparse.dispatch.placement import moved
from minisparse.formats import Matrix
from minisparse.kernels import Level, bind, pack
from minisparse.ops import Attrs, Op
from minisparse.ops.control import Run, captured, flow

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan, Step

Call = Callable[..., Any]


class Instruction(NamedTuple):
    """One step, ready to run.

    Attributes
    ----------
    call : callable
        From the operands to the result, or to a tuple where there are several; it takes ``out=``
        where the step's level does.
    reads, writes : tuple of int
        Places of operands and of results.
    frees : tuple of int
        Places of values that no later step reads, and that are no outputs.
    name : str
        The node's, for errors that only a run can find, such as an index beyond an axis.
    """

    call: Call
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    frees: tuple[int, ...]
    name: str

    def error(self, found: MinisparseError) -> MinisparseError:
        """Return an error of the call that names the node."""
        return type(found)(f"node '{self.name}': {found}")


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
    on_device = _Moved(plan, blank)
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
            call = _Checked(call, step)
        elif at is not None and step.packed is not None:
            reads[at] = len(blank)
            blank.append(step.packed)
        call = on_device.read(step, reads, call)
        instructions.append(Instruction(call, tuple(reads), writes, frees, step.node.name))
    return Program(tuple(instructions), blank, outputs)


class _Moved:
    """Constants of a plan for a GPU, each moved there once, when the program is made.

    Parameters
    ----------
    plan : Plan
        For a GPU or not; then nothing is moved.
    blank : list
        The program's values; what is moved is appended.
    """

    def __init__(self, plan: "Plan", blank: list[Any]) -> None:
        self._placement, self._constants = plan.placement, plan.graph.constants
        self._blank = blank
        self._places: dict[str, int] = {}

    def read(self, step: "Step", reads: list[int], call: Call) -> Call:
        """Make a step read constants where it computes; return what moves the rest for it."""
        if self._placement is None:
            return call
        node = step.node
        for i, name in enumerate(node.inputs):
            if name in self._constants and self._wants(step, i):
                if name not in self._places:
                    self._places[name] = len(self._blank)
                    self._blank.append(moved(self._constants[name], "gpu"))
                reads[i] = self._places[name]
        crossing = self._placement.moved(node, self._constants)
        return partial(_across, call, crossing) if crossing else call

    def _wants(self, step: "Step", at: int) -> bool:
        """Tell whether a step reads a constant on the device: no number, and nothing packed."""
        op = step.node.op
        if step.device == "cpu" or at in op.base.told:
            return False
        if step.bodies:  # whose programs have what they capture
            return at < captured(op, step.node.attrs)
        return step.packed is None or at != op.base.weight


def _across(call: Call, crossing: Sequence[tuple[int, str]], *operands: Any) -> Any:
    """Compute, some operands moved over the bus first."""
    given = list(operands)
    for at, device in crossing:
        given[at] = moved(given[at], device)
    return call(*given)


def _last_readers(plan: "Plan") -> dict[int, int]:
    """Return for each place that is read the number of the last step that reads it."""
    slots = plan.slots
    return {slots[name]: i for i, step in enumerate(plan.steps) for name in step.node.inputs}


def _call_of(step: "Step") -> Call:
    """Return what computes a step: from its operands, or with the packed weight among them.

    Where operands have still to be checked they come as they are, and the packed weight is put in.
    """
    if step.bodies:
        return _control(step)
    call = bind(step.node.op, step.level, step.node.attrs)
    if step.live is not None:
        return Choosing(call, step.live)
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


@dataclass
class _Checked:
    """Checks constraints on sizes that only the run tells, then computes.

    What met them last is remembered: most often the next run brings the same sizes.
    """

    call: Call
    step: "Step"
    met: list[Any] | None = None

    def __call__(self, *operands: Any) -> Any:
        told = [_told(x) for x in operands]
        if told != self.met:
            self._check(operands)
            self.met = told
        return self.call(*operands)

    def _check(self, operands: Sequence[Any]) -> None:
        types = [x.type if isinstance(x, Matrix) else known_type(x) for x in operands]
        node = self.step.node
        if self.step.bodies:  # whose steps check what they are given
            node.op.check(types, node.attrs)
        else:
            node.op.infer(types, node.attrs)


def _told(x: Any) -> Any:
    """Return what constraints may ask of an operand: its type, and what is in a small array."""
    if isinstance(x, Matrix):
        return x.type
    small = x.ndim < 2 and x.size <= KNOWN_LIMIT and not is_on_gpu(x)
    return x.shape, x.dtype, x.tobytes() if small else None


def _control(step: "Step") -> Call:
    """Return what computes a control op, its bodies run as they were planned."""
    runs = {}
    for name, plan in step.bodies.items():
        inputs = step.node.attrs[name].inputs
        places = [i for i, value in enumerate(inputs) if value in plan.graph.inputs]
        runs[name] = partial(_run_body, plan, places)  # captured constants lie in its program
    return partial(_flowing, step.node.op, runs, step.node.attrs)


def _flowing(op: Op, runs: Mapping[str, Run], attrs: Attrs, *operands: Any) -> Any:
    return flow(op, runs, operands, attrs)


def _run_body(plan: "Plan", places: Sequence[int], given: Sequence[Any]) -> list[Any]:
    """Return a body's outputs from its inputs, those in ``places`` being the plan's."""
    values = run_plan(plan, [given[i] for i in places])
    return [asarray(values[place]) for place in plan.program.outputs.values()]
