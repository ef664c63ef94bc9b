"""Whether promises are kept: medians of ratios over the cells that each is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from minisparse.bench.contest import Figure
from minisparse.bench.noise import Told, tell
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
    told : Told or None
        Of the ratios over the fastest peer's time, over cells; None if none was measured.
    """

    promise: Promise
    told: Told | None

    @property
    def verdict(self) -> str:
        """``"kept"``, ``"missed"``, ``"not clear"`` where rounds differ, or ``"not measured"``."""
        if self.told is None:
            return "not measured"
        if self.told.is_noise(self.promise.limit):
            return "not clear"
        return "kept" if self.told.ratio <= self.promise.limit else "missed"


def outcomes(suite: Suite, figures: Sequence[Figure]) -> list[Outcome]:
    """Return what became of each promise of a suite, and of what is promised of any dispatch."""
    return [_outcome(suite, p, figures) for p in (*suite.promises, *choice_promises(suite))]


def choice_promises(suite: Suite) -> list[Promise]:
    """Return for each pattern the promise that dispatch chooses about the best candidate."""
    if not suite.candidates:
        return []
    patterns = dict.fromkeys(cell.pattern for cell in suite.cells())
    return [
        Promise((pattern,), None, suite.candidates, DISPATCH_LIMIT, DISPATCH)
        for pattern in patterns
    ]


def _outcome(suite: Suite, promise: Promise, figures: Sequence[Figure]) -> Outcome:
    about = [f for f in figures if promise.covers(f.cell) and suite.counts(f.cell)]
    subject = promise.subject or suite.ours.name
    return Outcome(promise, tell(f.ratios(subject, promise.peers) for f in about))


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
