"""A turn: what is timed of a call before others have theirs."""

import time
from collections.abc import Callable

_SLOW = 0.02
"""A call that takes so many seconds has warm caches of its own making, and is timed once a turn."""
_TURN = 0.003
"""A turn times calls for about so many seconds."""
_LEAST_CALLS, _MOST_CALLS = 3, 20


def turn(
    call: Callable[[], object], typical: float, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the seconds of the fastest of a few calls, after one that warms the caches.

    Parameters
    ----------
    call : callable
        What is timed.
    typical : float
        About how many seconds it takes; 0 if that is not known.
    clock : callable
        Returns seconds.
    """
    calls = 1
    if typical < _SLOW:
        wanted = int(_TURN / max(_seconds(call, clock), 1e-9))
        calls = min(_MOST_CALLS, max(_LEAST_CALLS, wanted))
    return min(_seconds(call, clock) for _ in range(calls))


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start
