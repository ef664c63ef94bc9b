"""Where threads wait for one another: who may go on, and what a shuffle gives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from minisparse.gpu.jit import FULL, WARP
from minisparse.gpu.simulation.sites import Site


@dataclass(frozen=True, slots=True)
class Wait:
    """What a thread waits for.

    Attributes
    ----------
    kind : str
        ``"syncthreads"``, ``"shfl_down_sync"`` …
    site : Site
        Where.
    mask : int
        The lanes that take part; of a warp.
    value, lane : object
        Of a shuffle: what the thread offers, and the number that says whose it takes.
    width : int
        Of a shuffle: lanes of a group.
    """

    kind: str
    site: Site
    mask: int = FULL
    value: Any = None
    lane: Any = 0
    width: int = WARP

    @property
    def meeting(self) -> tuple[str, Site, int]:
        """What must be the same for those that wait for one another."""
        return (self.kind, self.site, self.mask)


Group = dict[int, Wait]
"""Threads that have met, by number, each with what it waits for."""


def met(running: Iterable[int], waiting: Mapping[int, Wait]) -> list[Group]:
    """Return the groups of threads whose wait is over.

    A barrier of the block is over when all threads that have not ended wait at one; the lanes of a
    warp have met when all in the mask that have not ended wait at the same call with this mask
    (CUDA C++ Programming Guide, "Warp Shuffle Functions").

    Parameters
    ----------
    running : iterable of int
        Threads that have not ended.
    waiting : mapping of int to Wait
        What they wait for; it may be in all of them.
    """
    alive = set(running)
    if len(waiting) == len(alive) and all(w.kind == "syncthreads" for w in waiting.values()):
        return [dict(waiting)] if waiting else []
    found = []
    for first in sorted({t - t % WARP for t in waiting}):
        lanes = {t: waiting[t] for t in range(first, first + WARP) if t in waiting}
        found += _met_lanes(lanes, first, alive)
    return found


def _met_lanes(lanes: Group, first: int, alive: set[int]) -> list[Group]:
    by_meeting: dict[tuple[str, Site, int], Group] = {}
    for t, wait in lanes.items():
        if wait.kind != "syncthreads":
            by_meeting.setdefault(wait.meeting, {})[t] = wait
    return [
        group
        for (_, _, mask), group in by_meeting.items()
        if set(group) == {first + i for i in range(WARP) if mask >> i & 1 and first + i in alive}
    ]


def source_lane(wait: Wait, lane: int) -> int:
    """Return whose value a shuffle gives to a lane: the number of a lane of its warp.

    It is the lane itself where there is none in the group of ``width`` lanes (PTX ISA,
    "shfl.sync").

    Examples
    --------
    >>> down = Wait("shfl_down_sync", Site("f", "f.py", 1), lane=7, width=8)
    >>> [source_lane(down, lane) for lane in (0, 1, 8)]
    [7, 1, 15]
    """
    number, start = int(wait.lane), lane - lane % wait.width
    end = start + wait.width
    other = {
        "shfl_sync": start + number % wait.width,
        "shfl_up_sync": lane - number,
        "shfl_down_sync": lane + number,
        "shfl_xor_sync": lane ^ number,
    }[wait.kind]
    if wait.kind == "shfl_up_sync":
        return other if other >= start else lane
    return other if other < end else lane


def shuffled(group: Group, t: int) -> Any:
    """Return what a thread is given when its wait is over; its own value where it asks in vain."""
    wait = group[t]
    if not wait.kind.startswith("shfl"):
        return None
    lane = t % WARP
    return group.get(t - lane + source_lane(wait, lane), wait).value


def why(waiting: Mapping[int, Wait]) -> tuple[int, str, tuple[int, ...]]:
    """Return a thread that waits in vain, for whom, and all threads that have to do with it.

    Parameters
    ----------
    waiting : mapping of int to Wait
        What all threads that have not ended wait for; none of it is over.
    """
    in_warps = sorted(t for t, w in waiting.items() if w.kind != "syncthreads")
    for t in in_warps:
        if not waiting[t].mask >> t % WARP & 1:
            return t, f"with mask {waiting[t].mask:#x}, in which its own lane is missing", (t,)
    t = in_warps[0]
    wait, first = waiting[t], t - t % WARP
    other, there = next(
        (other, there)
        for other, there in sorted(waiting.items())
        if 0 <= other - first < WARP
        and wait.mask >> other % WARP & 1
        and there.meeting != wait.meeting
    )
    masks = ""
    if there.kind != "syncthreads" and there.mask != wait.mask:
        masks = f" with mask {there.mask:#x} in the place of {wait.mask:#x}"
    words = f"for thread {other}, which waits in {there.kind} at {there.site}{masks}"
    return t, words, (t, other)
