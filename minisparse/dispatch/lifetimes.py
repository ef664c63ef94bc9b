"""Lifetimes: in which buffer each value of a plan lies, and from which step to which it is needed.

Three things let a value do without memory of its own: it may be a view of an operand; it may be
written over an operand that dies there; and it may lie where something dead lay before, which
:mod:`minisparse.dispatch.arena` sees to. Results are never put where the next run writes, and what
the caller gave, weights included, is never written over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from minisparse.core.tensor_type import TensorType
from minisparse.dispatch.arena import Span
from minisparse.dispatch.views import Strides, View, c_strides, view_of
from minisparse.kernels.execute import in_place_operands

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan, Step


@dataclass(frozen=True)
class Buffer:
    """Memory that one value after another lies in.

    Attributes
    ----------
    values : tuple of str
        What is written to it, in order: after the first each over the one before.
    nbytes : int
        Its size.
    first, last : int
        The steps between which it is needed, both included, counted from 0; of an output of the
        graph ``last`` is the number of steps.
    in_arena : bool
        Whether it has a place in the arena. Otherwise each run allocates it: a result of the
        graph, what a kernel makes that cannot be told where to write, or of a size that only the
        run tells.
    """

    values: tuple[str, ...]
    nbytes: int
    first: int
    last: int
    in_arena: bool

    @property
    def span(self) -> Span:
        """Bytes and steps."""
        return Span(self.nbytes, self.first, self.last)


@dataclass
class Lifetimes:
    """What is known of the values of a plan while their buffers are worked out.

    Attributes
    ----------
    types : dict
        Of every value, with the sizes of a run.
    strides : dict
        Of values, in elements; None where they are not known.
    holds : dict
        From each value to the values whose memory it needs: its own name where it has its own.
    death : dict
        From each value that has its own to the last step that needs it, itself or through a view.
    told : dict
        From values that can be written where the plan says to whether only a reshape does it.
    sole : set
        Values that nothing else can share memory with but views of them.
    over : dict
        From values to the number of the operand that they are written over.
    """

    types: dict[str, TensorType]
    strides: dict[str, Strides | None]
    holds: dict[str, tuple[str, ...]]
    death: dict[str, int] = field(default_factory=dict)
    told: dict[str, bool] = field(default_factory=dict)
    sole: set[str] = field(default_factory=set)
    over: dict[str, int] = field(default_factory=dict)


def find_lifetimes(plan: "Plan", sizes: Mapping[str, int]) -> tuple[Lifetimes, tuple[Buffer, ...]]:
    """Return what is known of a plan's values at some sizes, and the buffers they lie in.

    Parameters
    ----------
    plan : Plan
        What will run.
    sizes : mapping
        From named dimensions to sizes; a value with another name in its shape is allocated by each
        run, and counted with the size that is usual.
    """
    types = {n: t.bind(sizes) if t.symbols else t for n, t in plan.graph.types.items()}
    given = [*plan.graph.inputs, *plan.graph.constants]
    strides = {n: None if types[n].symbols else c_strides(types[n].dims) for n in given}
    lives = Lifetimes(types, dict(strides), dict.fromkeys(given, ()))
    for step in plan.steps:
        _follow(lives, step)
    if not plan.in_arena:
        lives.told.clear()
    last = _last_readers(plan)
    for name, owners in lives.holds.items():
        for owner in owners:
            lives.death[owner] = max(lives.death.get(owner, 0), last.get(name, 0))
    return lives, tuple(_buffers(plan, lives))


def _buffers(plan: "Plan", lives: Lifetimes) -> Iterator[Buffer]:
    """Yield a buffer for each group of values, each written over the one before."""
    groups: list[list[str]] = []
    group_of: dict[str, list[str]] = {}
    made: dict[str, int] = {}
    for i, step in enumerate(plan.steps):
        for name in step.node.outputs:
            if name not in lives.holds[name]:
                continue
            made[name] = i
            at = _dying_operand(lives, step, i, name)
            if at is None:
                group_of[name] = []
                groups.append(group_of[name])
            else:
                lives.over[name] = at
                group_of[name] = group_of[step.node.inputs[at]]
            group_of[name].append(name)
    for names in groups:
        last = max(lives.death[name] for name in names)
        in_arena = last < len(plan.steps) and all(name in lives.told for name in names)
        size = _bytes(plan, lives.types[names[0]])
        yield Buffer(tuple(names), size, made[names[0]], last, in_arena)


def _bytes(plan: "Plan", type: TensorType) -> int:
    """Return the bytes of a value; of a sparse one those of values and, roughly, indices."""
    known = plan.target.size(type)
    return known.nnz * (known.itemsize + known.index_itemsize)


def _last_readers(plan: "Plan") -> dict[str, int]:
    """Return the step that reads each value last; of one that none reads, that which makes it."""
    last = {name: i for i, step in enumerate(plan.steps) for name in step.node.outputs}
    last |= {name: i for i, step in enumerate(plan.steps) for name in step.node.inputs}
    return last | dict.fromkeys(plan.graph.outputs.values(), len(plan.steps))


def _follow(lives: Lifetimes, step: "Step") -> None:
    """Note in whose memory the results of a step lie, and how."""
    node = step.node
    operands = [lives.types[name] for name in node.inputs]
    first = lives.strides.get(node.inputs[0]) if node.inputs else None
    for name in node.outputs:
        view = view_of(node, operands, lives.types[name], first)
        lives.strides[name] = view.strides
        if view.shares:
            lives.holds[name] = lives.holds[node.inputs[0]]
            continue
        mine = [name]
        if view.shares is None:  # whichever operand it may lie in has to stay
            mine += [owner for operand in node.inputs for owner in lives.holds[operand]]
        elif len(node.outputs) == 1:  # of several results each may be a part of one array
            lives.sole.add(name)
        lives.holds[name] = tuple(dict.fromkeys(mine))
        if _can_be_told(step, operands, lives.types[name], view):
            lives.told[name] = node.op.moves


def _can_be_told(
    step: "Step", operands: Sequence[TensorType], result: TensorType, view: View
) -> bool:
    """Tell whether the result of a step can be written where the plan says."""
    node = step.node
    fixed = result.format == "dense" and not result.symbols and result.size > 0
    if not fixed or step.unsettled or step.bodies or len(node.outputs) > 1:
        return False
    if node.op.moves:  # of those only a reshape is known to copy
        return view.shares is False
    at = node.op.base.weight
    if at is not None and step.level.prepare is not None and step.packed is None:
        return False
    # An epilogue of another dtype cannot work in place, so that the result would be copied.
    alike = not node.op.epilogue or all(t.dtype == result.dtype for t in operands)
    return step.level.takes_out and alike


def _dying_operand(lives: Lifetimes, step: "Step", i: int, name: str) -> int | None:
    """Return which operand a result is written over, None where it needs memory of its own.

    One of the result's shape and dtype that no later step needs, itself or through a view; that
    shares memory with nothing else; and no other operand of this step is a view of it.
    """
    if name not in lives.told:
        return None
    node, result = step.node, lives.types[name]
    for at in in_place_operands(node.op, step.level):
        operand = node.inputs[at]
        given = lives.types[operand]
        others = [other for other in node.inputs if other != operand]
        if (
            operand in lives.sole
            and lives.death[operand] == i
            and (given.shape, given.dtype, given.format) == (result.shape, result.dtype, "dense")
            and not any(operand in lives.holds[other] for other in others)
        ):
            return at
    return None
