"""A small cache, simulated: which accesses of a kernel find their data near, and which do not.

A cache holds lines of neighboring bytes in sets of a few ways each; a line's address says which set
it belongs to, and the one that was used longest ago makes room (LRU). This is the model of
textbooks (Hennessy and Patterson, Computer Architecture, appendix B), written and read alike
(write-allocate) and written back when a changed line is pushed out; real caches add prefetching,
which hides the misses of an array that is read in order, and policies that are only nearly LRU.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.show import (
    card,
    card_text,
    facts,
    human_bytes,
    lane_html,
    lane_shares,
    lane_text,
    table_text,
)
from minisparse.show.html import cells_table, escape

_BINS_TEXT, _BINS_HTML = 32, 130
"""Into how many bins of time a lane is cut."""


class Accesses(Protocol):
    """A sequence of accesses: see :class:`minisparse.kernels.recording.Stream`."""

    @property
    def array(self) -> Array:
        """Which array each access touches."""

    @property
    def write(self) -> Array:
        """Whether it is written."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays."""

    def addresses(self) -> Array:
        """Return the address of the first byte of each access."""


@dataclass(frozen=True)
class Replay:
    """What became of each access.

    Attributes
    ----------
    cache : Cache
        In which cache.
    names : tuple of str
        Of the arrays.
    array : ndarray of int, shape (T,)
        Which array each access touches.
    missed : ndarray of bool, shape (T,)
        Whether its line was not there.
    written_back : int
        Changed lines that were pushed out, those left at the end included.

    Examples
    --------
    A vector of 32 numbers is read twice, and two lines of 64 bytes hold it.

    >>> from minisparse.kernels.recording import Stream
    >>> element = np.tile(np.arange(32), 2)
    >>> here, read = np.zeros(64, "uint16"), np.zeros(64, bool)
    >>> stream = Stream(here, element, read, ("x",), itemsizes=(4,), lengths=(32,))
    >>> print(Cache(128, ways=2).replay(stream))
    cache of 128 B, 64-byte lines, 2 ways: 128 B moved
    <BLANKLINE>
    array  accesses  misses  rate  over time, . to @
    -----  --------  ------  ----  --------------------------------
    x            64       2  3.1%  *.......*.......................
    all          64       2  3.1%  *.......*.......................
    """

    cache: "Cache"
    names: tuple[str, ...]
    array: Array
    missed: Array
    written_back: int

    @property
    def misses(self) -> int:
        """How many accesses missed."""
        return int(self.missed.sum())

    @property
    def miss_rate(self) -> float:
        """Misses over accesses; 0 where there is none."""
        return self.misses / len(self.missed) if len(self.missed) else 0.0

    @property
    def bytes_moved(self) -> int:
        """Bytes between the cache and what is behind it: a line for each miss and write-back."""
        return (self.misses + self.written_back) * self.cache.line

    def by_array(self) -> dict[str, tuple[int, int]]:
        """Return accesses and misses of each array, by name."""
        count = len(self.names)
        accesses = np.bincount(self.array, minlength=count).tolist()
        misses = np.bincount(self.array[self.missed], minlength=count).tolist()
        return {n: (a, m) for n, a, m in zip(self.names, accesses, misses, strict=True)}

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return name, accesses, misses and their rate of each array, and of all."""
        counts = [*self.by_array().items(), ("all", (len(self.missed), self.misses))]
        return [
            (name, str(accesses), str(misses), f"{misses / max(accesses, 1):.1%}")
            for name, (accesses, misses) in counts
        ]

    def _lanes(self, bins: int) -> list[Array]:
        """Return the share of misses over time, of each array and of all."""
        names = len(self.names)
        by_array = lane_shares(self.array, self.missed, names, bins)
        return [*by_array, *lane_shares(np.zeros_like(self.array), self.missed, 1, bins)]

    def __str__(self) -> str:
        """Return a table: accesses, misses and their rate for each array, and what missed when."""
        lanes = [lane_text(lane) for lane in self._lanes(_BINS_TEXT)]
        rows = [(*row, lane) for row, lane in zip(self.rows(), lanes, strict=True)]
        table = table_text((*_HEADERS, "over time, . to @"), rows, align="lrrrl")
        return card_text(f"{self.cache}: {human_bytes(self.bytes_moved)} moved", table)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the card for a notebook: misses over time are red."""
        rows = [
            (*map(escape, row), lane_html(lane, f"misses of {row[0]} over time"))
            for row, lane in zip(self.rows(), self._lanes(_BINS_HTML), strict=True)
        ]
        moved = {
            "moved": f"{human_bytes(self.bytes_moved)}, in {self.misses} lines fetched and "
            f"{self.written_back} written back"
        }
        right = (False, True, True, True, False)
        return card(
            str(self.cache), facts(moved), cells_table((*_HEADERS, "over time"), rows, right)
        )


_HEADERS = ("array", "accesses", "misses", "rate")
_UNITS = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}


def _binary(size: int) -> str:
    """Return the size of a cache, exactly, in the binary units in which caches are sold."""
    name, unit = next((name, unit) for name, unit in _UNITS.items() if size % unit == 0)
    return f"{size // unit} {name}"


@dataclass(frozen=True)
class Cache:
    """A cache with least-recently-used replacement.

    Parameters
    ----------
    size : int
        Bytes that it holds.
    line : int
        Bytes of a line.
    ways : int
        Lines of a set; ``size // line`` makes it fully associative, 1 direct-mapped.

    Raises
    ------
    UsageError
        If a number is no positive integer, or the size is no multiple of a set.

    Examples
    --------
    >>> Cache(32 * 1024, ways=8).sets
    64
    """

    size: int
    line: int = 64
    ways: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        for name, value in (("size", self.size), ("line", self.line), ("ways", self.ways)):
            if not isinstance(value, int | np.integer):
                raise UsageError(
                    f"Cache: {name} is {value!r}: it must be an integer; a size is in bytes, so "
                    f"that 32 KiB are 32 * 1024"
                )
        if min(self.size, self.line, self.ways) < 1 or self.size % (self.line * self.ways):
            raise UsageError(
                f"a cache of {self.size} bytes in lines of {self.line} and {self.ways} ways: all "
                f"must be positive, and the size a multiple of line * ways"
            )

    @property
    def sets(self) -> int:
        """Number of sets."""
        return self.size // (self.line * self.ways)

    def __str__(self) -> str:
        """Return size, line and ways."""
        return f"cache of {_binary(self.size)}, {self.line}-byte lines, {self.ways} ways"

    def replay(self, stream: Accesses) -> Replay:
        """Return what becomes of each access of a stream, the cache being empty at first.

        Parameters
        ----------
        stream : Stream
            As ``minisparse.kernels.recording.record`` returns it. No access straddles two lines.

        Raises
        ------
        UsageError
            If it is no such stream.

        Notes
        -----
        About a microsecond for each change of line.

        Examples
        --------
        >>> from minisparse.kernels.recording import Stream
        >>> element = np.array([0, 1, 16, 0, 32, 16])
        >>> here, read = np.zeros(6, "uint16"), np.zeros(6, bool)
        >>> stream = Stream(here, element, read, ("x",), itemsizes=(4,), lengths=(48,))
        >>> Cache(128, ways=2).replay(stream).missed
        array([ True, False,  True, False,  True,  True])
        """
        if not hasattr(stream, "addresses"):
            raise UsageError(
                f"Cache.replay: a {type(stream).__name__} is no stream of accesses: give it what "
                f"minisparse.kernels.recording.record(kernel, operands) returns"
            )
        lines = stream.addresses() // self.line
        missed = np.zeros(len(lines), bool)
        # Accesses to one line after another: all but the first find it.
        begins = np.flatnonzero(np.diff(lines, prepend=-1))
        changed = np.logical_or.reduceat(stream.write, begins) if len(begins) else np.zeros(0, bool)
        sets: list[dict[int, bool]] = [{} for _ in range(self.sets)]
        written_back = 0
        for number, first, write in zip(
            lines[begins].tolist(), begins.tolist(), changed.tolist(), strict=True
        ):
            held = sets[number % self.sets]  # in the order of their last use
            if number in held:
                held[number] = held.pop(number) or write
                continue
            missed[first] = True
            if len(held) == self.ways:
                written_back += held.pop(next(iter(held)))
            held[number] = write
        written_back += sum(sum(held.values()) for held in sets)
        return Replay(self, stream.names, stream.array, missed, written_back)
