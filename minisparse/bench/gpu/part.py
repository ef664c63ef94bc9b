"""What a part of the run on a card is: a name, a share of the time, and items."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from minisparse.core.errors import MinisparseError

STATUSES = ("passed", "failed", "skipped", "crashed", "late")
"""What can become of an item: ``crashed`` when its process died, ``late`` when time was up."""


class SkippedItem(MinisparseError):
    """What an item needs is not here, or refuses; the message says what."""


class FailedItem(MinisparseError):
    """An item found something wrong; the message says what."""


@dataclass(frozen=True)
class Item:
    """One thing to check or to time.

    Attributes
    ----------
    name : str
        In a few words.
    run : callable
        Does it on the card and returns what was found, as JSON holds it. It raises
        :class:`FailedItem` or :class:`SkippedItem`, or whatever goes wrong.
    """

    name: str
    run: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Part:
    """A part of the run.

    Attributes
    ----------
    name : str
        As ``--part`` takes it.
    title : str
        What it does, in a line.
    seconds : float
        How long it may take; a quarter of that where ``--quick`` is asked for, but 10 at least.
    items : callable
        ``items(quick) -> iterator of Item``, the most telling first: time may end it. It raises
        :class:`SkippedItem` where the whole part is not possible.
    order : int
        Parts of lower order run first.
    workers : int
        Processes that share the items. 1 for what is timed.
    patience : float
        Seconds after which an item that says nothing is taken to hang. Compiling takes some.
    """

    name: str
    title: str
    seconds: float
    items: Callable[[bool], Iterator[Item]]
    order: int
    workers: int = 1
    patience: float = 60.0

    def share(self, quick: bool) -> float:
        """Return how many seconds it may take."""
        return max(self.seconds / 4, 10.0) if quick else self.seconds
