"""The memory plan: what a run will need, worked out before it, and where each value will lie.

A run needs an arena, in which values follow each other; what it allocates besides, results first of
all; what kernels need while they compute; and the weights, which are there all the time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minisparse.core.errors import UsageError
from minisparse.core.symbolic import is_unknown, names_in
from minisparse.dispatch.arena import alive_at, most_alive, place
from minisparse.dispatch.lifetimes import Buffer, Lifetimes, find_lifetimes
from minisparse.graph import Graph

if TYPE_CHECKING:
    from minisparse.dispatch.plan import Plan
    from minisparse.dispatch.rehearsal import Scratch
    from minisparse.dispatch.weight_bytes import WeightBytes

PLAN_MEMORY = "plan_memory"
"""What this is called where it is left out beside passes: then each value is an array."""


class Slot(NamedTuple):
    """A buffer's place in the arena.

    Attributes
    ----------
    buffer : Buffer
        What lies there.
    offset : int
        Where it begins, in bytes: a multiple of 64.
    """

    buffer: Buffer
    offset: int


@dataclass(frozen=True)
class Layout:
    """Where the values of a run lie.

    Attributes
    ----------
    lives : Lifetimes
        What is known of the values.
    slots : tuple of Slot
        Buffers in the arena.
    arena : int
        Bytes of the arena.
    allocated : tuple of Buffer
        Buffers that each run allocates: results, what a kernel allocates for itself, and what is
        of a size that only the run tells.
    """

    lives: Lifetimes
    slots: tuple[Slot, ...]
    arena: int
    allocated: tuple[Buffer, ...]


def lay_out_values(plan: "Plan", sizes: Mapping[str, int]) -> Layout:
    """Return where the values of a plan lie in a run with some sizes."""
    lives, buffers = find_lifetimes(plan, sizes)
    inside = [buffer for buffer in buffers if buffer.in_arena]
    offsets, size = place([buffer.span for buffer in inside])
    slots = tuple(map(Slot, inside, offsets))
    return Layout(lives, slots, size, tuple(b for b in buffers if not b.in_arena))


@dataclass(frozen=True)
class MemoryPlan:
    """What a run of a plan needs, at some sizes of its named dimensions.

    Attributes
    ----------
    name : str
        The graph's.
    sizes : mapping
        Of named dimensions.
    steps : tuple of str
        Names of the nodes, in order.
    layout : Layout
        Where values lie.
    scratch : Scratch
        What kernels need besides, step by step.
    weights : tuple of WeightBytes
        What each weight takes.
    """

    name: str
    sizes: Mapping[str, int]
    steps: tuple[str, ...]
    layout: Layout = field(repr=False)
    scratch: "Scratch"
    weights: "tuple[WeightBytes, ...]"

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Buffers in the arena, with their places."""
        return self.layout.slots

    @property
    def allocated(self) -> tuple[Buffer, ...]:
        """Buffers that each run allocates."""
        return self.layout.allocated

    @property
    def arena(self) -> int:
        """Bytes of the arena."""
        return self.layout.arena

    @property
    def bound(self) -> int:
        """Most bytes in the arena that are alive at one step: it could not be smaller."""
        return most_alive([slot.buffer.span for slot in self.slots])

    @property
    def outside(self) -> tuple[int, ...]:
        """Bytes outside of the arena at each step, scratch not counted."""
        return tuple(n - self.arena for n in self.values)

    @property
    def values(self) -> tuple[int, ...]:
        """Bytes of values at each step: the whole arena, and what is allocated then."""
        return values_at(self.layout, len(self.steps))

    @property
    def needed(self) -> tuple[int, ...]:
        """Bytes at each step: values, what the kernel needs, and the scratch that is kept."""
        kept = self.scratch.kept
        return tuple(v + t + kept for v, t in zip(self.values, self.scratch.passing, strict=True))

    @property
    def peak(self) -> int:
        """Most bytes that a run needs at once beside weights and inputs."""
        return max(self.needed, default=0)

    @property
    def fullest(self) -> int:
        """The step at which most is alive, scratch included: look there for what to spare.

        0 if there is no step.
        """
        every = [*(slot.buffer.span for slot in self.slots), *(b.span for b in self.allocated)]
        alive = alive_at(every, len(self.steps))
        found = [a + p for a, p in zip(alive, self.scratch.passing, strict=False)]
        return found.index(max(found)) if found else 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights, as stored and as packed."""
        return sum(w.stored + w.packed for w in self.weights)

    @property
    def total(self) -> int:
        """Bytes of weights and of :attr:`peak`: what a limit is held against."""
        return self.weight_bytes + self.peak

    def alive(self, step: int) -> tuple[Buffer, ...]:
        """Return the buffers that are needed at a step, the largest first."""
        every = [*(slot.buffer for slot in self.slots), *self.allocated]
        found = [b for b in every if b.first <= step <= b.last]
        return tuple(sorted(found, key=lambda b: -b.nbytes))

    def __str__(self) -> str:
        """Return what is needed, a table of slots, and one of weights."""
        from minisparse.dispatch.memory_card import memory_text  # drawn when looked at

        return memory_text(self)

    def _repr_html_(self) -> str:
        """Return the card for a notebook: the arena drawn, step by step."""
        from minisparse.dispatch.memory_card import memory_html

        return memory_html(self)


def values_at(layout: Layout, steps: int) -> tuple[int, ...]:
    """Return the bytes of values at each of so many steps."""
    alive = alive_at([b.span for b in layout.allocated], steps)[:steps]
    return tuple(layout.arena + more for more in alive)


def plan_memory(plan: "Plan", sizes: Mapping[str, int]) -> MemoryPlan:
    """Return what a run of a plan will need.

    Parameters
    ----------
    plan : Plan
        What would run.
    sizes : mapping
        From named dimensions to sizes.
    """
    from minisparse.dispatch.rehearsal import rehearse  # which a run does without
    from minisparse.dispatch.weight_bytes import weights_of

    layout = lay_out_values(plan, sizes)
    names = tuple(step.node.name for step in plan.steps)
    scratch = rehearse(plan, layout.lives, sizes)
    weights = weights_of(plan, [o.step for o in plan.resizes.steps_for(sizes).values()])
    return MemoryPlan(plan.graph.name, dict(sizes), names, layout, scratch, weights)


def sizes_in(graph: Graph, shapes: Iterable[Sequence[int]]) -> dict[str, int]:
    """Return the size that each named dimension has in inputs of some shapes, in their order."""
    return {
        str(dim): size
        for type, shape in zip(graph.inputs.values(), shapes, strict=True)
        for dim, size in zip(type.shape, shape, strict=True)
        if names_in(dim) == (dim,) and not is_unknown(dim)
    }


def expected_sizes(plan: "Plan", given: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Return a size for each named dimension of a plan: as given, else the one to expect.

    Raises
    ------
    UsageError
        If there is no dimension of a name, or a size is negative or no whole number.
    """
    usual = plan.target.bind(plan.graph)
    shapes = [plan.target.size(type).dims for type in usual.inputs.values()]
    found = sizes_in(plan.graph, shapes)
    for name, size in (given or {}).items():
        if name not in found:
            known = ", ".join(found) or "none"
            raise UsageError(
                f"graph '{plan.graph.name}' has no dimension {name}; named dimensions: {known}"
            )
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
            raise UsageError(f"size {name} must be a whole number from 0 on, not {size!r:.60}")
        found[name] = int(size)
    return found
