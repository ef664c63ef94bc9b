"""Races beside full vector clocks, on random accesses and barriers."""

import random
from dataclasses import dataclass, field

import pytest

from minisparse.gpu.simulation.races import Memory, Moment, after_block, after_warp
from minisparse.gpu.simulation.sites import Site

SITE = Site("program", "program.py", 1)
WARPS = [(0, 1, 2), (32, 33)]
THREADS = [t for warp in WARPS for t in warp]
Who = tuple[int, int]
"""A block, and a thread of it."""


@dataclass
class Clocks:
    """The textbook: what each thread knows of each other one, and every access there was."""

    known: dict[Who, dict[Who, int]]
    accesses: dict[int, list[tuple[Who, int, str]]] = field(default_factory=dict)

    def meet(self, group: list[Who]) -> None:
        """Let threads know of each other all that they know."""
        both: dict[Who, int] = {}
        for who in group:
            for other, time in self.known[who].items():
                both[other] = max(time, both.get(other, 0))
        for who in group:
            self.known[who] = {**both, who: both[who] + 1}

    def races(self, who: Who, address: int, how: str) -> bool:
        """Tell whether an access would race with an earlier one."""
        return any(
            other != who
            and self.known[who].get(other, 0) < time
            and not (how == before and how != "write")
            for other, time, before in self.accesses.get(address, [])
        )

    def note(self, who: Who, address: int, how: str) -> None:
        """Note an access."""
        self.accesses.setdefault(address, []).append((who, self.known[who][who], how))


def first_race(seed: int) -> int | None:
    """Return which random event is the first race; both ways of finding it must agree."""
    rng = random.Random(seed)
    everyone = [(block, t) for block in (0, 1) for t in THREADS]
    clocks = Clocks({who: {who: 1} for who in everyone})
    memory, moments = Memory(), {who: Moment(*who) for who in everyone}
    writes = rng.choice([0.02, 0.1, 0.5])
    for event in range(300):
        block = rng.randrange(2) if rng.random() < 0.2 else 0
        if rng.random() < 0.25:
            warp = rng.choice([tuple(THREADS), *WARPS])
            group = [(block, t) for t in warp]
            if len(warp) == len(THREADS):
                moments |= {who: after_block(moments[who]) for who in group}
            else:
                group = group if rng.random() < 0.4 else rng.sample(group, 2)
                met = after_warp([moments[who] for who in group], whole=len(group) == len(warp))
                moments |= dict(zip(group, met, strict=True))
            clocks.meet(group)
            continue
        who, address = (block, rng.choice(THREADS)), rng.randrange(6)
        how = "write" if rng.random() < writes else rng.choice(["read", "read", "read", "atomic"])
        races = clocks.races(who, address, how)
        if races and rng.random() < 0.97:
            continue  # else no run would come far
        clocks.note(who, address, how)
        found = getattr(memory, how)(address, moments[who], SITE)
        assert (found is not None) == races, f"event {event}"
        if found is not None:
            return event
    return None


@pytest.mark.parametrize("start", range(0, 2000, 200))
def test_the_first_race_is_found_and_no_other(start: int) -> None:
    events = [first_race(seed) for seed in range(start, start + 200)]
    assert len(set(events)) > 50  # early and late ones
