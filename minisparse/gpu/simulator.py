"""Run a thread program on a CPU, thread by thread: grid, blocks, warps, barriers, shuffles.

Blocks run one after another. The threads of a block run in turn, each until it waits for others or
ends; when all that are left wait, those whose wait is over go on. What comes out is what a card
computes wherever the program does not depend on the order of threads, products are rounded before
they are added (compiled with ``--fmad=false``), and functions such as exp are rounded alike.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.core.errors import MinisparseError
from minisparse.gpu import jit as language
from minisparse.gpu.rewrite import Resumable, compiled, parsed

if TYPE_CHECKING:
    from minisparse.gpu.program import Program, ThreadProgram

WARP = language.WARP


class SimulationError(MinisparseError, RuntimeError):
    """A thread program does what a GPU must not be asked to do; the message says where."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a thread waits for.

    Attributes
    ----------
    kind : str
        ``"syncthreads"``, ``"shfl_down_sync"`` …
    line : int
        Where, in the program's file.
    mask : int
        The lanes that take part; of a warp.
    value, lane : object
        Of a shuffle: what the thread offers, and the number that says whose it takes.
    width : int
        Of a shuffle: lanes of a group.
    """

    kind: str
    line: int
    mask: int = language.FULL
    value: Any = None
    lane: Any = 0
    width: int = WARP


@dataclass(frozen=True)
class Simulation:
    """What a simulated launch was.

    Attributes
    ----------
    threads : int
        How many ran.
    """

    threads: int


class Here:
    """What ``jit`` is to the thread that runs at the moment."""

    WARP = warpsize = WARP
    FULL = language.FULL
    exp, log, sqrt, tanh, erfc = (
        staticmethod(f)
        for f in (language.exp, language.log, language.sqrt, language.tanh, language.erfc)
    )

    def __init__(self, grid: SimpleNamespace, block: SimpleNamespace) -> None:
        self.gridDim, self.blockDim = grid, block
        self.blockIdx = self.threadIdx = SimpleNamespace(x=0, y=0, z=0)
        self.shared: dict[str, Any] = {}

    def grid(self, ndim: int) -> Any:
        """Return where the thread is in the whole grid."""
        t, b, d = self.threadIdx, self.blockIdx, self.blockDim
        where = (t.x + b.x * d.x, t.y + b.y * d.y, t.z + b.z * d.z)
        return where[0] if ndim == 1 else where[:ndim]

    def gridsize(self, ndim: int) -> Any:
        """Return how many threads the grid has."""
        g, d = self.gridDim, self.blockDim
        sizes = (g.x * d.x, g.y * d.y, g.z * d.z)
        return sizes[0] if ndim == 1 else sizes[:ndim]

    def laneid(self) -> int:
        """Return which lane of its warp the thread is."""
        t, d = self.threadIdx, self.blockDim
        return int((t.x + d.x * (t.y + d.y * t.z)) % WARP)

    def shared_memory(
        self, dtype: Any, size: int, alignment: int | None = None, *, place: str
    ) -> Any:
        """Return the array that the threads of this block share."""
        if place not in self.shared:
            self.shared[place] = np.zeros(size, dtype)
        return self.shared[place]

    @staticmethod
    def wait(
        kind: str, line: int, *given: Any, mask: int = language.FULL, width: int = WARP
    ) -> Wait:
        """Return what the thread says to the simulator when it stops."""
        if not given:
            return Wait(kind, line, mask)
        return Wait(kind, line, given[0], given[1], given[2], width)

    @staticmethod
    def atomic_add(array: Any, index: Any, value: Any) -> Any:
        """Add, and return what was there."""
        old = array[index]
        array[index] = old + value
        return old

    @staticmethod
    def atomic_max(array: Any, index: Any, value: Any) -> Any:
        """Raise to a value, and return what was there."""
        old = array[index]
        array[index] = max(old, value)
        return old

    @staticmethod
    def atomic_min(array: Any, index: Any, value: Any) -> Any:
        """Lower to a value, and return what was there."""
        old = array[index]
        array[index] = min(old, value)
        return old

    @staticmethod
    def atomic_exch(array: Any, index: Any, value: Any) -> Any:
        """Write, and return what was there."""
        old = array[index]
        array[index] = value
        return old

    @staticmethod
    def atomic_cas(array: Any, index: Any, value: Any, alt_value: Any) -> Any:
        """Write where it is ``value``, and return what was there."""
        old = array[index]
        if old == value:
            array[index] = alt_value
        return old


def simulate(
    program: "ThreadProgram",
    grid: tuple[int, ...],
    block: tuple[int, ...],
    args: Sequence[Any],
    seed: int | None = None,
) -> Simulation:
    """Run every thread of a grid on the CPU.

    Parameters
    ----------
    program : ThreadProgram
        What each thread runs.
    grid, block : tuple of int
        Blocks of the grid, and threads of a block, along each axis.
    args : sequence
        Arrays and scalars of NumPy.
    seed : int, optional
        Blocks and threads run in an order drawn from it; else in ascending order.

    Raises
    ------
    SimulationError
        If threads wait for one another in vain.
    """
    blocks, threads = _places(grid), _places(block)
    here = Here(_dims(grid), _dims(block))
    body = runnable(program, here)
    order = None if seed is None else random.Random(seed)
    if order is not None:
        order.shuffle(blocks)
    with np.errstate(all="ignore"):
        for here.blockIdx in blocks:
            here.shared = {}
            _run_block(program, body, here, threads, args, order)
    return Simulation(len(blocks) * len(threads))


def runnable(program: "Program", here: Any) -> Callable[..., Any]:
    """Return a program with ``jit`` being ``here``: a generator function if threads wait in it."""
    helpers = {name: runnable(p, here) for name, p in program.helpers.items()}
    waiting = {name: p.waits for name, p in program.helpers.items()}
    tree = Resumable(waiting).visit(parsed(program.function))
    names = {**program.names, **helpers, "jit": here, "__name__": program.function.__module__}
    found: Callable[..., Any] = compiled(tree, program.function.__code__.co_filename, names)
    return found


def _places(sizes: tuple[int, ...]) -> list[SimpleNamespace]:
    x, y, z = (*sizes, 1, 1)[:3]
    return [SimpleNamespace(x=i, y=j, z=k) for k, j, i in product(range(z), range(y), range(x))]


def _dims(sizes: tuple[int, ...]) -> SimpleNamespace:
    x, y, z = (*sizes, 1, 1)[:3]
    return SimpleNamespace(x=x, y=y, z=z)


def _run_block(
    program: "ThreadProgram",
    body: Callable[..., Any],
    here: Here,
    places: list[SimpleNamespace],
    args: Sequence[Any],
    order: random.Random | None,
) -> None:
    turns = list(range(len(places)))
    if order is not None:
        order.shuffle(turns)
    if not program.waits:
        for t in turns:
            here.threadIdx = places[t]
            body(*args)
        return
    running = {t: body(*args) for t in turns}
    answers: dict[int, Any] = dict.fromkeys(turns)
    waiting: dict[int, Wait] = {}
    while answers:
        for t, answer in answers.items():
            here.threadIdx = places[t]
            try:
                waiting[t] = running[t].send(answer)
            except StopIteration:
                del running[t]
                waiting.pop(t, None)
        answers = dict(_released(program, running, waiting))
        for t in answers:
            del waiting[t]
        if order is not None:
            answers = dict(order.sample(list(answers.items()), len(answers)))


def _released(
    program: "ThreadProgram", running: dict[int, Iterator[Wait]], waiting: dict[int, Wait]
) -> list[tuple[int, Any]]:
    """Return the threads that need not wait any more, each with what it is given."""
    if not waiting:
        return []
    found: list[tuple[int, Any]] = []
    if all(w.kind == "syncthreads" for w in waiting.values()) and len(waiting) == len(running):
        return [(t, None) for t in waiting]
    for first in sorted({t - t % WARP for t in waiting}):
        lanes = {t: waiting[t] for t in range(first, first + WARP) if t in waiting}
        found += _released_lanes(lanes, first, running)
    if not found:
        t, wait = min(waiting.items())
        raise SimulationError(
            f"{program.name}: thread {t} waits in {wait.kind} at line {wait.line} for threads that "
            f"have ended or wait elsewhere"
        )
    return found


def _released_lanes(
    lanes: dict[int, Wait], first: int, running: dict[int, Iterator[Wait]]
) -> list[tuple[int, Any]]:
    """Return the lanes of a warp whose whole mask has arrived at the same call."""
    for wait in lanes.values():
        if wait.kind == "syncthreads":
            continue
        group = {t for t, w in lanes.items() if (w.kind, w.line, w.mask) == _site(wait)}
        wanted = {first + i for i in range(WARP) if wait.mask >> i & 1 and first + i in running}
        if wanted == group:
            return [(t, _shuffled(lanes, t, first)) for t in sorted(group)]
    return []


def _site(wait: Wait) -> tuple[str, int, int]:
    return (wait.kind, wait.line, wait.mask)


def _shuffled(lanes: dict[int, Wait], t: int, first: int) -> Any:
    """Return what a shuffle gives to one lane: that of another, or its own where there is none."""
    wait = lanes[t]
    if wait.kind == "syncwarp":
        return None
    lane, number = t - first, int(wait.lane)
    start = lane - lane % wait.width
    source = {
        "shfl_sync": start + number % wait.width,
        "shfl_up_sync": lane - number if lane - number >= start else lane,
        "shfl_down_sync": lane + number if lane + number < start + wait.width else lane,
        "shfl_xor_sync": lane ^ number,
    }[wait.kind]
    other = lanes.get(first + source)
    return wait.value if other is None else other.value
