"""One arena for many buffers: where each lies, so that none meets another that is alive with it.

Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net inference",
arXiv:2001.03288, algorithm 3): the largest first, each into the smallest gap between those that are
alive with it, else behind them. No order is the best for every graph; this one is seldom far from
the bound below which no arena can be, the most bytes that are alive at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

LINE = 64
"""Bytes at whose multiples buffers begin: a cache line, and the widest vector register."""


class Span(NamedTuple):
    """Bytes that are needed from one step to another, both included."""

    nbytes: int
    first: int
    last: int

    def meets(self, other: "Span") -> bool:
        """Tell whether both are alive at some step.

        Examples
        --------
        >>> Span(8, 0, 2).meets(Span(8, 2, 3)), Span(8, 0, 2).meets(Span(8, 3, 3))
        (True, False)
        """
        return self.first <= other.last and other.first <= self.last


def aligned(nbytes: int) -> int:
    """Return the least multiple of :data:`LINE` that is not smaller.

    Examples
    --------
    >>> aligned(0), aligned(1), aligned(64)
    (0, 64, 64)
    """
    return -(-nbytes // LINE) * LINE


def place(spans: Sequence[Span]) -> tuple[tuple[int, ...], int]:
    """Return where each span begins, in bytes, and how many bytes the arena has.

    Parameters
    ----------
    spans : sequence of Span
        What is to be placed.

    Examples
    --------
    >>> place([Span(64, 0, 1), Span(128, 1, 2), Span(64, 2, 3)])
    ((128, 0, 128), 192)
    """
    offsets = [0] * len(spans)
    placed: list[int] = []  # by offset
    for i in sorted(range(len(spans)), key=lambda i: (-spans[i].nbytes, spans[i].first)):
        beside = [k for k in placed if spans[k].meets(spans[i])]
        offsets[i] = _smallest_gap(spans, offsets, beside, aligned(spans[i].nbytes))
        placed.append(i)
        placed.sort(key=lambda k: offsets[k])
    ends = (at + aligned(span.nbytes) for at, span in zip(offsets, spans, strict=True))
    return tuple(offsets), max(ends, default=0)


def _smallest_gap(
    spans: Sequence[Span], offsets: Sequence[int], beside: Sequence[int], room: int
) -> int:
    """Return where so many bytes fit between the spans ``beside``, which come by offset."""
    best, spare, end = -1, 0, 0
    for k in beside:
        gap = offsets[k] - end
        if gap >= room and (best < 0 or gap < spare):
            best, spare = end, gap
        end = max(end, offsets[k] + aligned(spans[k].nbytes))
    return best if best >= 0 else end


def most_alive(spans: Sequence[Span]) -> int:
    """Return the most bytes that are alive at one step, each span aligned: no arena is smaller.

    Examples
    --------
    >>> most_alive([Span(64, 0, 1), Span(128, 1, 2), Span(64, 2, 3)])
    192
    """
    return max(alive_at(spans), default=0)


def alive_at(spans: Sequence[Span], steps: int = 0) -> list[int]:
    """Return the bytes that are alive at each step, each span aligned.

    Parameters
    ----------
    spans : sequence of Span
        Some may last beyond the last step.
    steps : int
        How many steps there are at least.
    """
    change = [0] * (max([steps, *(s.last + 1 for s in spans)]) + 1)
    for span in spans:
        change[span.first] += aligned(span.nbytes)
        change[span.last + 1] -= aligned(span.nbytes)
    alive, found = 0, []
    for more in change[:-1]:
        alive += more
        found.append(alive)
    return found
