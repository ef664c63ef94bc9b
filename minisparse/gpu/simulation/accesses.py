"""What a warp's accesses ask of memory: sectors of global memory, banks of shared memory.

An instruction of a warp is one access by up to 32 lanes. The lanes run one after another in the
simulator, so that of each lane the n-th time at a place counts as the warp's n-th instruction
there: exact where all lanes come as often, or stop coming for good; where lanes skip turns of a
loop, a card may pair them otherwise.

Global memory moves in sectors of 32 bytes (CUDA C++ Best Practices Guide, "Coalesced Access to
Global Memory"). Shared memory lies in 32 banks of 4 bytes each; lanes that ask one bank for
different words are served one after another, and those that ask for the same word at once (CUDA C++
Programming Guide, "Shared Memory"). Elements of 8 bytes are served in two halves of the warp, those
of 16 in quarters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.gpu.jit import WARP
from minisparse.gpu.simulation.arrays import CheckedArray
from minisparse.gpu.simulation.sites import Site

SECTOR = 32
"""Bytes that global memory moves at once."""
BANKS = 32
"""Banks of shared memory."""
WORD = 4
"""Bytes of a bank's word."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one access in the source asked of memory, all warps together.

    Attributes
    ----------
    site : Site
        Where it is written.
    kind : str
        ``"load"``, ``"store"`` or ``"atomic"``.
    array, space : str
        The array's name, and ``"global"`` or ``"shared"``.
    requests : int
        Instructions of warps.
    lanes : int
        Accesses of lanes.
    transactions : int
        Of global memory: sectors. Of shared memory: rounds in which the banks serve the requests.
    ideal : int
        The least number of transactions in which as many different bytes could be had.
    worst : int
        The most transactions of one request, or of a part that is served by itself.
    """

    site: Site
    kind: str
    array: str
    space: str
    requests: int
    lanes: int
    transactions: int
    ideal: int
    worst: int

    @property
    def efficiency(self) -> float:
        """The ideal number of transactions over the real one: 1 is best."""
        return self.ideal / self.transactions


@dataclass(frozen=True, slots=True)
class LineRuns:
    """How many lanes ran a line.

    Attributes
    ----------
    site : Site
        The statement; of a loop its turns.
    steps : int
        How often warps ran it, with whichever lanes.
    lanes : int
        How often lanes did.
    full : int
        How often lanes would have, had no lane of these warps been idle.
    """

    site: Site
    steps: int
    lanes: int
    full: int

    @property
    def active(self) -> float:
        """The share of lanes that were not idle."""
        return self.lanes / self.full


Log = dict[tuple[str, Site, CheckedArray], list[int]]
"""Addresses in the order in which one lane asked for them, by kind, place and array."""


@dataclass(slots=True)
class Tally:
    """Adds up what warps have done."""

    _accesses: dict[tuple[str, Site, str, str], Array] = field(default_factory=dict)
    _lines: dict[Site, Array] = field(default_factory=dict)

    def add(self, logs: Sequence[Log], lines: Sequence[dict[Site, int]]) -> None:
        """Add what the lanes of one warp did.

        Parameters
        ----------
        logs : sequence of Log
            One a lane.
        lines : sequence of dict
            How often each lane ran each statement.
        """
        for key in {key: None for log in logs for key in log}:
            kind, site, array = key
            table = instructions([log.get(key, ()) for log in logs])
            count = sectors if array.space == "global" else rounds
            transactions, ideal, worst = count(table, array.dtype.itemsize)
            row = [len(table), np.count_nonzero(table >= 0), transactions, ideal]
            known = self._accesses.setdefault(
                (kind, site, array.name, array.space), np.zeros(5, int)
            )
            known[:4] += row
            known[4] = max(known[4], worst)
        for site in {site: None for lane in lines for site in lane}:
            times = [lane.get(site, 0) for lane in lines]
            runs = [max(times), sum(times), max(times) * len(lines)]
            self._lines[site] = self._lines.get(site, 0) + np.array(runs)

    def accesses(self) -> tuple[Access, ...]:
        """Return the sums, in the order of the source."""
        found = [
            Access(site, kind, name, space, *map(int, sums))
            for (kind, site, name, space), sums in self._accesses.items()
        ]
        return tuple(sorted(found, key=lambda a: (a.site.file, a.site.line, a.site.column)))

    def lines(self) -> tuple[LineRuns, ...]:
        """Return how many lanes ran each line, in the order of the source."""
        found = [LineRuns(site, *map(int, sums)) for site, sums in self._lines.items()]
        return tuple(sorted(found, key=lambda r: (r.site.file, r.site.line, r.site.column)))


def instructions(lanes: Sequence[Sequence[int]]) -> Array:
    """Return the addresses of a warp's instructions ``[n, 32]``, -1 where a lane is idle."""
    table = np.full((max(map(len, lanes)), WARP), -1, np.int64)
    for lane, asked in enumerate(lanes):
        table[: len(asked), lane] = asked
    return table


def sectors(table: Array, itemsize: int) -> tuple[int, int, int]:
    """Return how many sectors of global memory instructions touch, at best, and at most in one.

    Parameters
    ----------
    table : array of int ``[n, 32]``
        Addresses, -1 for idle lanes.
    itemsize : int
        Bytes of an element.

    Examples
    --------
    >>> lanes = np.arange(32)[None]
    >>> sectors(lanes * 4, 4), sectors(lanes * 8, 4), sectors(lanes * 4 + 4, 4)
    ((4, 4, 4), (8, 4, 8), (5, 4, 5))
    """
    last = np.where(table < 0, -1, (table + itemsize - 1) // SECTOR)
    touched = distinct(np.concatenate([table // SECTOR, last], axis=1))
    ideal = -(-distinct(table) * itemsize // SECTOR)
    return int(touched.sum()), int(ideal.sum()), int(touched.max(initial=0))


def rounds(table: Array, itemsize: int) -> tuple[int, int, int]:
    """Return in how many rounds shared memory serves instructions, at best, and at most of a part.

    Parameters
    ----------
    table, itemsize
        As for :func:`sectors`.

    Examples
    --------
    >>> lanes = np.arange(32)[None]
    >>> rounds(lanes * 4, 4), rounds(lanes * 8, 4), rounds(lanes * 128, 4), rounds(lanes * 0, 4)
    ((1, 1, 1), (2, 1, 2), (32, 1, 32), (1, 1, 1))
    """
    parts = max(1, itemsize // WORD)
    halves = table.reshape(len(table) * parts, WARP // parts)
    words = (halves // WORD)[:, :, None] + np.arange(parts)
    words = np.where(halves[:, :, None] < 0, -1, words).reshape(len(halves), -1)
    row, word = np.nonzero(_first(words))
    word = np.sort(words, axis=1)[row, word]
    asked = np.bincount(row * BANKS + word % BANKS, minlength=len(words) * BANKS)
    served = asked.reshape(-1, BANKS).max(axis=1)
    ideal = -(-distinct(words) // BANKS)
    return int(served.sum()), int(ideal.sum()), int(served.max(initial=0))


def distinct(rows: Array) -> Array:
    """Return how many different numbers each row has, -1 apart."""
    found: Array = np.count_nonzero(_first(rows), axis=1)
    return found


def _first(rows: Array) -> Array:
    """Return where in its sorted row a number stands for the first time; not -1."""
    ordered = np.sort(rows, axis=1)
    first: Array = ordered >= 0
    first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    return first
