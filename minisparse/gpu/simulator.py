"""Run a thread program on a CPU, thread by thread: grid, blocks, warps, barriers, shuffles.

Blocks run one after another. The threads of a block run in turn, each until it waits for others or
ends; when all that are left wait, those whose wait is over go on. What comes out is what a card
computes wherever the program does not depend on the order of threads, products are rounded before
they are added (compiled with ``--fmad=false``), and functions such as exp are rounded alike.

A plain run is fast and trusts the program. A checked run (:mod:`minisparse.gpu.simulation`) looks
at every access, number and meeting, and counts what the program asks of memory.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minisparse.gpu.simulation.accesses import Access, LineRuns
from minisparse.gpu.simulation.checked import Checked, Watch
from minisparse.gpu.simulation.here import Here, places
from minisparse.gpu.simulation.lockstep import Step
from minisparse.gpu.simulation.runnable import on_card, runnable, sizes
from minisparse.gpu.simulation.sites import Finding, Findings, Halted, SimulationError
from minisparse.gpu.simulation.stops import Stop, Stops
from minisparse.gpu.simulation.waits import Wait, met, shuffled

if TYPE_CHECKING:
    import pdb

    from minisparse.gpu.program import ThreadProgram

__all__ = ["Simulation", "SimulationError", "checking", "simulate"]

_NO_RESULT = (UnboundLocalError, OverflowError, ZeroDivisionError)
"""Errors of Python where a card goes on with garbage."""


@dataclass(frozen=True)
class Simulation:
    """What a simulated launch was.

    Attributes
    ----------
    threads : int
        How many the launch has.
    completed : bool
        Whether all of them ran to their end.
    findings : tuple of Finding
        What is wrong, of a run with ``report=True``.
    accesses : tuple of Access
        What the accesses asked of memory, of a checked run.
    lines : tuple of LineRuns
        How many lanes ran each line, of a checked run.
    steps : tuple of Step
        What the lanes of the warp given as ``watch`` did.
    """

    threads: int
    completed: bool = True
    findings: tuple[Finding, ...] = ()
    accesses: tuple[Access, ...] = ()
    lines: tuple[LineRuns, ...] = ()
    steps: tuple[Step, ...] = ()

    def __repr__(self) -> str:
        """Return how many threads there were, and what was found."""
        end = "" if self.completed else ", not completed"
        number = len(self.findings)
        found = f", {number} finding{'s' * (number > 1)}" if number else ""
        return f"Simulation({self.threads} threads{found}{end})"

    def __str__(self) -> str:
        """Return the same, and each finding on a line."""
        return "\n".join([repr(self), *map(str, self.findings)])


_ASKED: ContextVar[tuple[int | None] | None] = ContextVar("checked with this seed", default=None)


@contextmanager
def checking(seed: int | None = None) -> Iterator[None]:
    """Check every simulated launch inside of a ``with`` block, as by kernels that launch programs.

    It holds for the running thread of Python (a context variable), not for pools of others.

    Parameters
    ----------
    seed : int, optional
        As for :func:`simulate`.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.gpu import jit, thread_program
    >>> @thread_program
    ... def first(x):
    ...     x[0] = np.float64(1)
    >>> with checking():
    ...     first((1,), (2,), (np.zeros(2),))
    Traceback (most recent call last):
    minisparse.gpu.simulation.sites.SimulationError: first: data race on x[0] in global memory...
    """
    token = _ASKED.set((seed,))
    try:
        yield
    finally:
        _ASKED.reset(token)


def simulate(
    program: "ThreadProgram",
    grid: tuple[int, ...],
    block: tuple[int, ...],
    args: Sequence[Any],
    seed: int | None = None,
    *,
    check: bool = False,
    report: bool = False,
    watch: Watch | None = None,
    stop: Stop | None = None,
    debugger: "pdb.Pdb | None" = None,
) -> Simulation:
    """Run every thread of a grid on the CPU.

    Parameters
    ----------
    program : ThreadProgram
        What each thread runs.
    grid, block : tuple of int
        Blocks of the grid, and threads of a block, along each axis; 0 is taken as 1, as by CuPy.
    args : sequence
        Arrays and scalars of NumPy; ``int`` is taken as int32 and ``float`` as float32, as on a
        card.
    seed : int, optional
        Blocks and threads run in an order drawn from it; else in ascending order.
    check : bool
        Look at every access, number and meeting, and raise at the first that is wrong.
    report : bool
        The same, but go on as far as there is sense in it, and return all that is wrong.
    watch : Watch, optional
        A block ``(x, y, z)`` and the number of a warp in it, whose steps to return; checks as well.
    stop : Stop, optional
        Threads in which to open pdb: a block and a thread as ``(x, y, z)``, or a function of both.
    debugger : pdb.Pdb, optional
        Which pdb to open.

    Raises
    ------
    SimulationError
        If no card launches as much, or threads wait for one another in vain; of a checked run
        whatever is found.
    """
    asked = _ASKED.get()
    if asked is not None and not (check or report):
        (seed,), check = asked, True
    grid, block = sizes(program.name, grid, block)
    findings = Findings(report)
    checked = Checked(grid, block, findings, watch) if check or report or watch else None
    here = checked or Here(grid, block)
    given: list[Any] = [on_card(x) for x in args]
    if checked is not None:
        code = program.function.__code__
        given = checked.arguments(code.co_varnames[: code.co_argcount], given)
    stops = None if stop is None else Stops(stop, debugger, here)
    body = runnable(program, here, pauses=stops is not None)
    order = None if seed is None else random.Random(seed)
    completed = _Run(program, here, body, given, order, stops).all(places(grid))
    threads = math.prod((*grid, *block))
    if checked is None:
        return Simulation(threads)
    return Simulation(
        threads, completed, findings.all, checked.accesses, checked.lines, checked.steps
    )


@dataclass
class _Run:
    """Runs blocks: the threads of each in turn, until all have ended."""

    program: "ThreadProgram"
    here: Here
    body: Callable[..., Any]
    args: Sequence[Any]
    order: random.Random | None
    stops: Stops | None

    def all(self, blocks: list[Any]) -> bool:
        """Run all blocks; tell whether nothing put an end to it."""
        if self.order is not None:
            self.order.shuffle(blocks)
        try:
            with self.here.watched_arithmetic():
                for where in blocks:
                    self.block(where)
        except Halted:
            return False
        finally:
            if self.stops is not None:
                self.stops.close()
        return True

    def block(self, where: Any) -> None:
        """Run one block."""
        threads = self.here.begin(where)
        turns = list(range(len(threads)))
        if self.order is not None:
            self.order.shuffle(turns)
        try:
            if self.program.waits:
                self._resume(threads, turns)
            else:
                self._call(threads, turns)
        except _NO_RESULT as error:
            self.here.failed(error)
            raise
        self.here.end()

    def _call(self, threads: list[Any], turns: list[int]) -> None:
        """Run threads that never wait."""
        here, body, args, stops = self.here, self.body, self.args, self.stops
        for t in turns:
            here.threadIdx = threads[t]
            body(*args)
            if stops is not None:
                stops.end(threads[t])

    def _resume(self, threads: list[Any], turns: list[int]) -> None:
        """Run threads, each up to where it waits, and those on whose wait is over."""
        here = self.here
        running = {t: self.body(*self.args) for t in turns}
        answers: dict[int, Any] = dict.fromkeys(turns)
        waiting: dict[int, Wait] = {}
        while answers:
            for t, answer in answers.items():
                here.threadIdx = threads[t]
                try:
                    waiting[t] = running[t].send(answer)
                except StopIteration:
                    del running[t]
                    if self.stops is not None:
                        self.stops.end(threads[t])
            answers = self._released(running, waiting)

    def _released(self, running: Mapping[int, Any], waiting: dict[int, Wait]) -> dict[int, Any]:
        """Return the threads that go on, each with what it is given; they wait no more."""
        groups = met(running, waiting)
        if waiting and not groups:
            self.here.stuck(self.program.name, waiting)
        answers: dict[int, Any] = {}
        for group in groups:
            self.here.joined(group)
            answers |= {t: shuffled(group, t) for t in sorted(group)}
        for t in answers:
            del waiting[t]
        if self.order is not None:
            answers = dict(self.order.sample(list(answers.items()), len(answers)))
        return answers
