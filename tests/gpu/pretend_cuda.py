"""A pretended card's streams, events, graphs and memory pools, with a clock of its own.

What is launched takes the card the seconds that a test says, and the host none; what a stream
records runs when its graph is launched, and not before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Self

import pytest

from tests.pretend_device import PretendCupy


class Card:
    """What is queued, in order, and how late it is on the card."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []
        self.current = Stream(self)
        self.pools: list[Any] = []
        self.allocator: Any = None

    def launch(self, what: str, seconds: float, work: Callable[[], None] = lambda: None) -> None:
        """Queue some work on the current stream."""
        if self.current.recorded is not None:
            self.current.recorded.append((what, seconds, work))
            return
        self.log.append(what)
        self.now += seconds
        work()


class Stream:
    """cupy.cuda.Stream."""

    def __init__(self, card: Card, non_blocking: bool = False) -> None:
        self.card, self.ptr = card, id(self)
        self.non_blocking = non_blocking
        self.recorded: list[Any] | None = None
        self.broken = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before, self.card.current = self.card.current, self
        return self

    def __exit__(self, *_: object) -> None:
        self.card.current = self._before

    def synchronize(self) -> None:
        if self.recorded is not None:
            self.broken = True
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted")
        self.card.log.append("synchronize")

    def begin_capture(self) -> None:
        assert self.recorded is None
        self.recorded = []

    def end_capture(self) -> "Graph":
        recorded, self.recorded = self.recorded, None
        if self.broken:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated: operation failed")
        assert recorded is not None
        return Graph(self.card, recorded)


class Graph:
    """cupy.cuda.Graph."""

    def __init__(self, card: Card, recorded: list[Any]) -> None:
        self.card, self.recorded = card, recorded

    def launch(self, stream: Any = None) -> None:
        self.card.log.append("graph")
        for each in self.recorded:
            self.card.launch(*each)


class Event:
    """cupy.cuda.Event."""

    def __init__(self, card: Card) -> None:
        self.card, self.seen = card, 0.0

    def record(self) -> None:
        self.card.log.append("event")
        self.seen = self.card.now

    def synchronize(self) -> None:
        pass


@pytest.fixture
def card(pretend_cupy: PretendCupy, monkeypatch: pytest.MonkeyPatch) -> Card:
    """Give the pretend device streams, events, graphs and pools."""
    found = Card()

    @contextmanager
    def using_allocator(allocator: Any) -> Iterator[None]:
        found.allocator, before = allocator, found.allocator
        yield
        found.allocator = before

    def pool() -> Any:
        found.pools.append(SimpleNamespace(malloc=f"pool {len(found.pools)}"))
        return found.pools[-1]

    for name, what in {
        "Stream": lambda non_blocking=False: Stream(found, non_blocking),
        "Event": lambda: Event(found),
        "MemoryPool": pool,
        "using_allocator": using_allocator,
        "get_current_stream": lambda: found.current,
        "get_elapsed_time": lambda a, b: (b.seen - a.seen) * 1e3,
    }.items():
        monkeypatch.setattr(pretend_cupy.cuda, name, what, raising=False)
    evicting = SimpleNamespace(fill=lambda value: found.launch("evict", 1e-4))
    monkeypatch.setattr(pretend_cupy, "empty", lambda size, dtype: evicting, raising=False)
    return found
