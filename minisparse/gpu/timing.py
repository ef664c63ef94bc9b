"""Time what a card does, by events: the card's own clock, and not the host's.

A launch returns before the card has begun, so a clock of the host would time the asking alone. An
event is a mark in a stream, and the card notes when it passes it (CUDA C++ Programming Guide,
"Events"; resolution about half a microsecond). Two questions can be asked:

- *cold*: how long one call takes the card, with nothing of it in the caches. A large array is
  written first, which empties the L2 and keeps the card busy while the host queues the call: so
  what the host takes to launch it is not in the figure. After Triton's ``do_bench``.
- *warm*: how long a call takes among many like it, one after another. That is what a plan's step
  takes, and where the host launches more slowly than the card computes, the host is what is timed.

Not yet run on a GPU.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from minisparse.core.extras import require

EVICTED = 1 << 28
"""Bytes that are written to empty the caches: five times the L2 of an H100."""
BURST = 1e-3
"""A warm figure is of so many seconds of calls."""
MOST_CALLS = 200
LEAST_ROUNDS = 5
WARM_UP = 3

Calls = Mapping[str, Callable[[], object]]
Seconds = dict[str, tuple[float, ...]]


class Clock:
    """Times calls on the current stream of the current card.

    Parameters
    ----------
    cold : bool
        Whether the caches are emptied before each call.
    """

    def __init__(self, cold: bool) -> None:
        self._cupy: Any = require("cupy", "gpu-cuda13", "timing a card")
        self._begin, self._end = self._cupy.cuda.Event(), self._cupy.cuda.Event()
        self._evicted = self._cupy.empty(EVICTED, "uint8") if cold else None

    def __call__(self, call: Callable[[], object], calls: int = 1) -> float:
        """Return the seconds that the card takes for a call, on average over some in a row."""
        if self._evicted is not None:
            self._evicted.fill(0)
        self._begin.record()
        for _ in range(calls):
            call()
        self._end.record()
        self._end.synchronize()
        passed: float = self._cupy.cuda.get_elapsed_time(self._begin, self._end)
        return passed * 1e-3 / calls


def time_on_gpu(calls: Calls, cold: bool = True, rounds: int = 20, budget: float = 0.5) -> Seconds:
    """Time several things against each other on a card, in turns.

    Each round asks each of them once, so that a card that grows warm and slow does so for all.

    Parameters
    ----------
    calls : mapping
        From names to functions without arguments, that launch on the current stream.
    cold : bool
        Whether the caches are emptied before each call; else calls follow one another, as many as
        take a millisecond.
    rounds : int
        At most so many rounds are counted.
    budget : float
        Seconds after which no further round is begun; at least five are counted.

    Returns
    -------
    dict
        From names to seconds of a call, one figure a round; the first calls, in which kernels are
        compiled and memory is taken, are in none of them.
    """
    clock = Clock(cold)
    repeats = {name: 1 if cold else _repeats(clock, call) for name, call in calls.items()}
    if cold:
        for call in calls.values():
            _warm_up(call)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    for i in range(rounds):
        if i >= LEAST_ROUNDS and time.perf_counter() - begin > budget:
            break
        for name, call in calls.items():
            taken[name].append(clock(call, repeats[name]))
    return {name: tuple(seconds) for name, seconds in taken.items()}


def _warm_up(call: Callable[[], object]) -> None:
    for _ in range(WARM_UP):
        call()


def _repeats(clock: Clock, call: Callable[[], object]) -> int:
    """Return how many calls fill a burst."""
    _warm_up(call)
    return max(1, min(MOST_CALLS, int(BURST / max(clock(call), 1e-9))))


def host_seconds(call: Callable[[], object], calls: int = 100) -> float:
    """Return the seconds that the host takes to launch a call, the card's work not waited for.

    Parameters
    ----------
    call : callable
        What launches; it must not wait for the card itself.
    calls : int
        How many in a row; fewer than the thousand or so that a stream can hold.
    """
    cupy: Any = require("cupy", "gpu-cuda13", "timing a card")
    _warm_up(call)
    cupy.cuda.get_current_stream().synchronize()
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    passed = time.perf_counter() - begin
    cupy.cuda.get_current_stream().synchronize()
    return passed / calls
