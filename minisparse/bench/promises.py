"""Whether promises are kept: medians of ratios over the cells that each is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from minisparse.bench.contest import Figure, median
from minisparse.bench.suite import Promise, Suite

SCRATCH_LIMIT = 64_000_000
"""Bytes that a call may take beside its operands and result, whatever their size; promised."""

DISPATCH_LIMIT = 1.05
"""What dispatch chose should take at most so many times what the best candidate takes."""
DISPATCH = "dispatch"
"""The contender that is what dispatch chose."""


@dataclass(frozen=True)
class Outcome:
    """What was measured of a promise.

    Attributes
    ----------
    promise : Promise
        What should be.
    ratio : float or None
        The median over cells of our time over the fastest peer's; None if none was measured.
    cells : int
        How many there were.
    """

    promise: Promise
    ratio: float | None
    cells: int

    @property
    def verdict(self) -> str:
        """``"kept"``, ``"missed"``, or ``"not measured"``."""
        if self.ratio is None:
            return "not measured"
        return "kept" if self.ratio <= self.promise.limit else "missed"


def outcomes(suite: Suite, figures: Sequence[Figure]) -> list[Outcome]:
    """Return what became of each promise of a suite."""
    return [_outcome(suite, promise, figures) for promise in suite.promises]


def _outcome(suite: Suite, promise: Promise, figures: Sequence[Figure]) -> Outcome:
    about = [f for f in figures if promise.covers(f.cell) and suite.counts(f.cell)]
    ratios = [f.ratio(suite.ours.name, promise.peers) for f in about]
    return Outcome(promise, median(ratios), sum(ratio is not None for ratio in ratios))


def dispatch_losses(suite: Suite, figures: Sequence[Figure]) -> list[float]:
    """Return for each cell the time of what dispatch chose over that of the best candidate.

    A plan of one node is a little more than a kernel: looking up and checking what it is fed.
    """
    found = [f.ratio(DISPATCH, suite.candidates) for f in figures]
    return [ratio for ratio in found if ratio is not None]


def largest_scratch(suite: Suite, figures: Sequence[Figure]) -> tuple[int, str, Figure] | None:
    """Return the most bytes that a call took beside its result, whose call it was, and where."""
    found = [
        (loaded.scratch, name, figure)
        for figure in figures
        for name, loaded in figure.loaded.items()
        if loaded.scratch is not None
    ]
    return max(found, key=lambda entry: entry[0], default=None)
