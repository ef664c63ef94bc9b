"""Watching thread programs: a warp's lanes step by step, and what a checked run tells, as tables.

The simulator (:mod:`minisparse.gpu.simulator`) returns plain data; here it is drawn.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from minisparse.debugger.moment import is_number, number_text
from minisparse.gpu import Finding, Simulation, ThreadProgram
from minisparse.gpu.jit import WARP
from minisparse.gpu.simulation.lockstep import Step
from minisparse.show import (
    Stepped,
    card,
    card_text,
    paragraph,
    stepped_html,
    stepped_text,
    table,
    table_text,
    wrap,
)

_MOST = 48
"""Steps that are drawn at once."""
_DIGITS = 3


@dataclass(frozen=True)
class WarpSteps:
    """What the lanes of one warp do: which of them run a statement together, and what they set.

    A slice holds some of the steps, ``len`` says how many there are.

    Attributes
    ----------
    title : str
        The program, the block and the warp.
    steps : tuple of Step
        One for each statement that lanes run together.
    names : tuple of str, optional
        Whose values are drawn; by default all that are numbers.
    findings : tuple of Finding
        What is wrong in the whole run.
    first : int
        Number of the first step.
    """

    title: str
    steps: tuple[Step, ...]
    names: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()
    first: int = 0

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, chosen: slice) -> "WarpSteps":
        start, stop, _ = chosen.indices(len(self.steps))
        return replace(self, steps=self.steps[start:stop], first=self.first + start)

    def at(self, line: int) -> "WarpSteps":
        """Return the steps from the first one at a line of the source on; none if none is there."""
        found = (i for i, step in enumerate(self.steps) if step.site.line == line)
        return self[next(found, len(self.steps)) :]

    def __str__(self) -> str:
        """Return the first of the steps as text."""
        sections = [stepped_text(self._drawn()), self._more()]
        return card_text(self.title, *sections, *[wrap(str(f), 80) for f in self.findings])

    def _repr_html_(self) -> str:
        """Return the first of the steps as a card."""
        more = paragraph(self._more()) if self._more() else ""
        return card(self.title, stepped_html(self._drawn()), more, _findings(self.findings))

    def _drawn(self) -> list[Stepped]:
        return [
            Stepped(
                str(step.site.line),
                step.site.source,
                {lane: self._told(values) for lane, values in step.values.items()},
            )
            for step in self.steps[:_MOST]
        ]

    def _told(self, values: Any) -> dict[str, str]:
        return {
            name: number_text(value, _DIGITS)
            for name, value in values.items()
            if (is_number(value) if self.names is None else name in self.names)
        }

    def _more(self) -> str:
        last = self.first + min(len(self.steps), _MOST)
        left = len(self.steps) - _MOST
        return f"steps {self.first} to {last - 1}; {left} more follow: take [{_MOST}:]" * (left > 0)


@dataclass(frozen=True)
class ThreadReport:
    """What a checked run tells: findings, what accesses ask of memory, how many lanes are idle.

    Attributes
    ----------
    simulation : Simulation
        The run, made with ``check=True`` or ``report=True``.
    """

    simulation: Simulation

    @property
    def accesses(self) -> list[tuple[str, ...]]:
        """A row for each access in the source, as texts."""
        return [
            (
                str(a.site.line),
                a.site.source,
                f"{a.kind} {a.array}",
                str(a.requests),
                f"{a.transactions} {'sectors' if a.space == 'global' else 'rounds'}",
                str(a.ideal),
                f"{a.efficiency:.0%}",
                str(a.worst),
            )
            for a in self.simulation.accesses
        ]

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """A row for each line, as texts."""
        return [
            (str(r.site.line), r.site.source, str(r.steps), str(r.lanes), f"{r.active:.0%}")
            for r in self.simulation.lines
        ]

    def __str__(self) -> str:
        """Return tables as text."""
        return card_text(
            repr(self.simulation),
            *[wrap(str(f), 80) for f in self.simulation.findings],
            table_text(_ACCESSES, self.accesses) if self.accesses else "",
            table_text(_LINES, self.lines) if self.lines else "",
        )

    def _repr_html_(self) -> str:
        """Return tables as a card."""
        return card(
            repr(self.simulation),
            _findings(self.simulation.findings),
            table(_ACCESSES, self.accesses) if self.accesses else "",
            table(_LINES, self.lines) if self.lines else "",
        )


_ACCESSES = ("line", "source", "access", "requests", "moved", "ideal", "efficiency", "worst")
_LINES = ("line", "source", "steps", "lanes", "active")


def _findings(findings: Sequence[Finding]) -> str:
    rows = [(f.kind, str(f.line), str(f)) for f in findings]
    return table(("finding", "line", ""), rows) if rows else ""


def step_threads(
    program: ThreadProgram,
    grid: tuple[int, ...],
    block: tuple[int, ...],
    args: Sequence[Any],
    warp: int = 0,
    *,
    of_block: tuple[int, ...] = (0, 0, 0),
    names: Collection[str] | None = None,
    seed: int | None = None,
) -> WarpSteps:
    """Run a thread program in the simulator, and return what the lanes of one warp did.

    The whole grid runs, and writes to its arrays as a launch does.

    Parameters
    ----------
    program : ThreadProgram
        What each thread runs.
    grid, block : tuple of int
        Blocks of the grid, and threads of a block, along each axis.
    args : sequence
        Arrays and scalars of NumPy.
    warp : int
        Which warp of the block.
    of_block : tuple of int
        Which block ``(x, y, z)``.
    names : collection of str, optional
        Variables whose values to draw; by default all that are numbers.
    seed : int, optional
        Draws the order of blocks and threads.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.gpu import jit, thread_program
    >>> @thread_program
    ... def halve(x):
    ...     t = np.int32(jit.threadIdx.x)
    ...     if t < 2:
    ...         x[t] /= 2
    >>> steps = step_threads(halve, (1,), (4,), (np.ones(4),))
    >>> [step.lanes for step in steps]
    [(0, 1, 2, 3), (0, 1, 2, 3), (0, 1)]
    """
    found = program.simulate(grid, block, args, seed=seed, report=True, watch=(of_block, warp))
    title = f"{program.name}: warp {warp} of block {(*of_block, 0, 0)[:3]}, {WARP} lanes"
    chosen = None if names is None else tuple(names)
    return WarpSteps(title, found.steps, chosen, found.findings)
