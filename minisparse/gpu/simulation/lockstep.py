"""What the lanes of a warp do at the same time: 32 runs, one after another, put side by side.

The simulator runs one lane after another. A card runs those lanes of a warp together that stand at
the same instruction, and has the others wait. Here it is told afterwards which these would be: of
all lanes the ones that are furthest behind take the next step, where a turn of a loop lies before
the next turn, and a branch before what follows it. So lanes that part meet again behind the branch
or the loop (as with a stack of reconvergence points: Fung et al., "Dynamic warp formation", MICRO
2007). Since Volta a card may choose another order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minisparse.gpu.jit import WARP
from minisparse.gpu.simulation.sites import Site

Position = tuple[tuple[int, int, int], ...]
"""Calls, loops and statement around a moment, the outermost first: line, column, which turn."""


@dataclass(frozen=True, slots=True)
class Event:
    """A statement that one lane begins.

    Attributes
    ----------
    position : Position
        Where the lane is; it only grows.
    site : Site
        The statement.
    values : dict
        Names that the statement has set.
    """

    position: Position
    site: Site
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A statement that some lanes of a warp run together.

    Attributes
    ----------
    site : Site
        The statement; of a loop its head, at the begin of a turn.
    values : mapping of int to mapping
        Of each lane that runs it: the names that it has set, and their values.
    """

    site: Site
    values: Mapping[int, Mapping[str, Any]]

    @property
    def lanes(self) -> tuple[int, ...]:
        """The lanes that run it."""
        return tuple(self.values)


@dataclass(slots=True)
class Trace:
    """What one lane does, statement by statement."""

    events: list[Event] = field(default_factory=list)
    _path: list[Position] = field(default_factory=list)
    _last: dict[int, Event] = field(default_factory=dict)
    _turns: dict[Site, int] = field(default_factory=dict)
    _calls: dict[int, int] = field(default_factory=dict)

    def enter(self, loop: Site) -> None:
        """Note that a loop begins."""
        self._turns[loop] = 0

    def turn(self, loop: Site) -> None:
        """Note that a turn of it begins."""
        self._turns[loop] += 1

    def call(self, depth: int) -> None:
        """Note that a function begins, in which statements are at this depth of calls."""
        self._calls[depth] = self._calls.get(depth, 0) + 1

    def step(self, site: Site, depth: int) -> None:
        """Note that a statement begins."""
        around = (*site.loops, site)
        local = [(s.line, s.column, self._turns.get(s, 0)) for s in around]
        del self._path[depth:]
        self._path.append(((self._calls.get(depth, 0), 0, 0), *local))
        self._calls[depth + 1] = 0
        event = Event(sum(self._path, ()), site, {})
        self._last[depth] = event
        self.events.append(event)

    def keep(self, name: str, value: Any, depth: int) -> None:
        """Note that the statement at this depth has set a name."""
        if depth in self._last:
            self._last[depth].values[name] = value


def lockstep(lanes: Mapping[int, Trace]) -> tuple[Step, ...]:
    """Return the steps of a warp.

    Parameters
    ----------
    lanes : mapping of int to Trace
        What each lane did.
    """
    assert len(lanes) <= WARP
    ahead = {lane: iter(trace.events) for lane, trace in lanes.items()}
    heads = {lane: event for lane, it in ahead.items() if (event := next(it, None)) is not None}
    found = []
    while heads:
        least = min(event.position for event in heads.values())
        now = {lane: event for lane, event in heads.items() if event.position == least}
        found.append(Step(next(iter(now.values())).site, {i: e.values for i, e in now.items()}))
        for lane in now:
            following = next(ahead[lane], None)
            if following is None:
                del heads[lane]
            else:
                heads[lane] = following
    return tuple(found)
