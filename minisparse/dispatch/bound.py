"""A program bound to memory: the same calls, each told where to write.

What is bound depends on the sizes of the inputs, and is made at the first run that has them; the
last :data:`KEPT` sets of sizes are kept, all in the same memory, as large as the largest needs. A
run takes such memory and gives it back, so that threads that run one plan at a time do not meet in
one, and each finds its memory warm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import MinisparseError
from minisparse.dispatch.lifetimes import Lifetimes
from minisparse.dispatch.memory_plan import Layout, lay_out_values, sizes_in
from minisparse.kernels.wide import aligned_empty

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan
    from minisparse.dispatch.program import Instruction, Program
    from minisparse.dispatch.resized import Resized

KEPT = 16
"""Sets of sizes for which a program stays bound."""

Shapes = tuple[tuple[int, ...], ...]
"""Of a plan's inputs, in order."""

GARBAGE = 0xFF
"""What fills dead memory byte by byte: NaN as a float, -1 as an integer."""


class Bound(NamedTuple):
    """A plan's instructions bound to some memory.

    Attributes
    ----------
    instructions : tuple of Instruction
        The program's, those that can be told writing to the memory.
    dead : tuple of tuple of ndarray
        For each step the parts of the memory that nothing needs after it.
    """

    instructions: "tuple[Instruction, ...]"
    dead: tuple[tuple[Array, ...], ...]


@dataclass
class Arena:
    """Memory for one run at a time, and what is bound to it, by the shapes of the inputs."""

    memory: Array
    bound: dict[Shapes, Bound] = field(default_factory=dict)


class Arenas:
    """The arenas of one plan.

    They change as runs come and go, by operations that are single steps of the interpreter.

    Attributes
    ----------
    free : list of Arena
        Those that no run uses.
    """

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan
        self._layouts: dict[Shapes, Layout] = {}
        self.free: list[Arena] = []

    def bind(self, arena: Arena, shapes: Shapes) -> Bound:
        """Return the plan's instructions, bound to an arena that may grow for it.

        Raises
        ------
        MemoryLimitError
            If a run with these sizes would need more than the plan's limit.
        """
        layout = self._layouts.get(shapes) or self._laid_out(shapes)
        if layout.arena > arena.memory.nbytes:
            arena.bound.clear()  # and with it what lies in the old memory
            arena.memory = aligned_empty((layout.arena,), np.dtype(np.uint8))
        _make_room(arena.bound)
        others = self._plan.resizes.steps_for(sizes_in(self._plan.graph, shapes))
        found = arena.bound[shapes] = bind_program(self._plan, layout, arena.memory, others)
        return found

    def check(self, shapes: Shapes) -> None:
        """Raise MemoryLimitError if a run with these sizes would need more than the limit."""
        if self._plan.memory_limit is not None and shapes not in self._layouts:
            self._laid_out(shapes)

    def _laid_out(self, shapes: Shapes) -> Layout:
        plan, sizes = self._plan, sizes_in(self._plan.graph, shapes)
        if plan.memory_limit is not None:
            from minisparse.dispatch.memory_limit import check_limit  # which few runs need

            check_limit(plan, sizes, plan.memory_limit)
        _make_room(self._layouts)
        found = self._layouts[shapes] = lay_out_values(plan, sizes)
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of the arenas that wait for a run."""
        return sum(arena.memory.nbytes for arena in list(self.free))

    def release(self) -> None:
        """Let go of all arenas; the next run makes its own."""
        self.free.clear()


def _make_room(kept: dict[Shapes, Any]) -> None:
    """Drop the oldest where as many are kept as may be."""
    while len(kept) >= KEPT:
        kept.pop(next(iter(kept)), None)


def run_plan(plan: "Plan", given: Sequence[Any], *, poison: bool = False) -> list[Any]:
    """Run a plan on its inputs, in order, and return its values: outputs in their places.

    Enter ``np.errstate(all="ignore")`` around it: ``0 * inf`` and overflow are values here.

    Parameters
    ----------
    plan : Plan
        What to run.
    given : sequence
        The inputs.
    poison : bool
        Whether memory is filled with garbage as soon as nothing needs it, and all of it before the
        first step: what comes out must not depend on it.

    Raises
    ------
    MemoryLimitError
        If it would need more than the plan's limit; nothing has run then.
    """
    arenas, shapes = plan.arenas, tuple([x.shape for x in given])
    if plan.placement is not None:  # whose memory is CuPy's pool, warm after the first run
        arenas.check(shapes)
        return run_instructions(plan.program.blank, plan.program.instructions, given)
    try:
        arena = arenas.free.pop()
    except IndexError:  # none yet, or other threads have them all
        arena = Arena(np.empty(0, np.uint8))
    try:
        bound = arena.bound.get(shapes) or arenas.bind(arena, shapes)
        if poison:
            return _run_poisoned(plan.program, arena.memory, bound, given)
        instructions = bound.instructions
        for x in given:
            if not isinstance(x, np.ndarray):  # whose results cannot be written to our memory
                instructions = plan.program.instructions
        return run_instructions(plan.program.blank, instructions, given)
    finally:
        arenas.free.append(arena)


def run_instructions(
    blank: list[Any], instructions: "Sequence[Instruction]", given: Sequence[Any]
) -> list[Any]:
    """Run instructions one after another; return all places, those let go of being None."""
    values = blank.copy()
    values[: len(given)] = given
    for instruction in instructions:
        call, reads, writes, frees, _ = instruction
        try:
            result = call(*[values[place] for place in reads])
        except MinisparseError as error:
            raise instruction.error(error) from error
        if len(writes) == 1:
            values[writes[0]] = result
        else:
            for place, one in zip(writes, result, strict=True):
                values[place] = one
        for place in frees:
            values[place] = None
    return values


def _run_poisoned(
    program: "Program", memory: Array, bound: Bound, given: Sequence[Any]
) -> list[Any]:
    """Run step by step, and spoil what is dead after each."""
    memory.fill(GARBAGE)
    values = program.blank.copy()
    values[: len(given)] = given
    for instruction, dead in zip(bound.instructions, bound.dead, strict=True):
        values = run_instructions(values, (instruction,), ())
        for part in dead:
            part.fill(GARBAGE)
    return values


def bind_program(
    plan: "Plan", layout: Layout, memory: Array, others: "Mapping[int, Resized] | None" = None
) -> Bound:
    """Return a plan's instructions, bound to memory.

    Parameters
    ----------
    plan : Plan
        Whose program.
    layout : Layout
        Where the values of the same plan lie.
    memory : ndarray of uint8
        As large as the layout needs, or larger.
    others : mapping, optional
        From numbers of steps to how they are computed in place of what the plan says.
    """
    lives = layout.lives
    views: dict[str, Array] = {}
    dead: list[list[Array]] = [[] for _ in plan.steps]
    for buffer, offset in layout.slots:
        part = memory[offset : offset + buffer.nbytes]
        type = lives.types[buffer.values[0]]
        # One array object for all values of a buffer: kernels know work in place by it.
        views |= dict.fromkeys(buffer.values, part.view(type.dtype).reshape(type.dims))
        dead[buffer.last].append(part)
    called = list(plan.program.instructions)
    for i, other in (others or {}).items():
        called[i] = called[i]._replace(call=other.call)
    bound = tuple(
        _bound(instruction, step.node.output, lives, views)
        for step, instruction in zip(plan.steps, called, strict=True)
    )
    return Bound(bound, tuple(map(tuple, dead)))


def _bound(
    instruction: "Instruction", name: str, lives: Lifetimes, views: dict[str, Array]
) -> "Instruction":
    """Return an instruction that writes where the plan says; itself where the plan says nothing."""
    call: Callable[..., Any] = instruction.call
    if name in views:
        out = views[name]
        into = partial(_laid_out, out) if lives.told[name] else partial(call, out=out)
        return instruction._replace(call=into)
    if name in lives.over:
        return instruction._replace(call=partial(_written_over, call, lives.over[name]))
    return instruction


def _laid_out(out: Array, x: Array, *rest: Any) -> Array:
    """Write the elements of ``x`` to ``out`` in C order: what a reshape does that has to copy."""
    out.reshape(x.shape)[...] = x
    return out


def _written_over(call: Callable[..., Any], at: int, *operands: Any) -> Any:
    """Compute, the result taking the place of an operand."""
    return call(*operands, out=operands[at])
