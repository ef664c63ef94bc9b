"""The break-even atlas: below which density the best sparse way is faster than dense, here.

    pattern x shape x columns -> density of break-even, measured, beside what was predicted

Each case is measured in a process of its own kind (:mod:`minisparse.bench.breakeven_process`),
whose threads fall asleep soon after a call, as the other benchmarks do it.
"""

import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minisparse.bench.breakeven_cases import Case, draw
from minisparse.bench.breakeven_fit import ANYWHERE, NOWHERE, Estimate, Sample
from minisparse.bench.breakeven_search import bisect_crossing, search_crossing
from minisparse.bench.breakeven_ways import (
    MARK,
    NO_WAY,
    SAME_PACKING,
    Visit,
    Ways,
    one_node,
    predicted_ratio,
    price_ways,
    visit,
)
from minisparse.core.errors import UsageError
from minisparse.cost import Target, find_machine
from minisparse.kernels import GENERATED, LEVELS, usable_levels

FULL, QUICK = 840.0, 52.0
"""Seconds that a run takes unless told otherwise; the last case may end a little later."""
FULL_SHAPES = ((512, 512), (1024, 1024), (3072, 768))
FULL_COLUMNS = (1, 16, 256)
QUICK_SHAPES, QUICK_COLUMNS = ((512, 512),), (1, 256)
NEAR = 1.25
"""A predicted break-even should be within this factor of the measured one."""
_VISITS = 12
"""A visit takes at most such a part of its case's time."""
_LONGEST_VISIT = 1.0
_GUESS = 0.1


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes
    ----------
    cases : tuple of Case
        In the order in which they are measured.
    seconds : float
        For all of them.
    seed : int
        Of the matrices, and of the choice of densities.
    threads : int
        For BLAS and ours alike.
    libraries : str
        ``"none"``, ``"auto"``, or names with commas between: whose kernels take part.
    only : str
        A format, a layout or a way's name, to look at that alone; empty: the best of all.
    target : {"cpu", "gpu"}
        Where it is computed and timed.
    """

    cases: tuple[Case, ...]
    seconds: float = FULL
    seed: int = 0
    threads: int = 1
    libraries: str = "none"
    only: str = ""
    target: str = "cpu"


@dataclass(frozen=True)
class Finding:
    """What became of a case.

    Attributes
    ----------
    case : Case
        The case.
    estimate : Estimate or None
        Of the break-even; None where nothing could be measured.
    predicted : float
        The break-even by prices; NOWHERE and ANYWHERE as in an estimate.
    way : str
        The sparse way that was fastest most often near the break-even.
    visits : tuple of Visit
        In the order in which they were made.
    fault : str
        Why there is no estimate; empty otherwise.
    """

    case: Case
    estimate: Estimate | None
    predicted: float
    way: str = ""
    visits: tuple[Visit, ...] = ()
    fault: str = ""

    @property
    def samples(self) -> int:
        """How many rounds the estimate is made of."""
        return sum(len(v.sample.ratios) for v in self.visits)

    @property
    def ratio(self) -> float | None:
        """Predicted over measured break-even; None where one of them is no density.

        Examples
        --------
        >>> case = Case("rows", (64, 64), 1, "float32")
        >>> Finding(case, Estimate(0.1, 0.09, 0.11), 0.2).ratio
        2.0
        """
        if self.estimate is None or self.estimate.verdict != "crosses":
            return None
        if self.predicted in (NOWHERE, ANYWHERE):
            return None
        return self.predicted / self.estimate.density

    @property
    def agrees(self) -> bool | None:
        """Whether the prediction is near, or of the same verdict; None where none can be told."""
        if self.estimate is None or self.estimate.verdict == "cannot be told":
            return None
        if self.ratio is not None:
            return 1 / NEAR <= self.ratio <= NEAR
        return self.predicted == self.estimate.density


def ways_of(libraries: str, only: str = "", target: str = "cpu") -> Ways:
    """Return the ways on this machine, those of some libraries among them.

    Parameters
    ----------
    libraries : str
        ``"none"``, ``"auto"``, or names with commas between.
    only : str
        See :class:`minisparse.bench.breakeven_ways.Ways`.
    target : {"cpu", "gpu"}
        Where they compute.

    Raises
    ------
    UsageError, MissingExtraError
        If there is no such library, or it is not installed.
    """
    named = libraries if libraries in ("none", "auto") else libraries.split(",")
    levels = usable_levels("vectorized", named, target)
    if target == "gpu":
        levels = ("gpu", *(level for level in levels if level != GENERATED))
    return Ways(Target(find_machine(target), levels=levels, device=target), only)


def check_ways(cases: Sequence[Case], libraries: str, only: str, target: str = "cpu") -> None:
    """Raise what would keep all of the cases from being measured.

    Raises
    ------
    UsageError, MissingExtraError
        If there is no such library, it is not installed, or no case can be computed in the way
        that is asked for.
    """
    ways = ways_of(libraries, only, target)
    if not only or any(_has_way(case, ways) for case in cases):
        return
    drawn = draw(cases[0], cases[0].over.low, np.random.default_rng(0))
    all_ways = (
        c.layout.format for c in price_ways(one_node(cases[0], drawn), Ways(ways.target))[1]
    )
    there = ", ".join(dict.fromkeys([*all_ways, *SAME_PACKING]))
    raise UsageError(
        f"--way {only}: no case can be computed like this; formats of {cases[0]}: {there}; write "
        "'bsr 16x16' for one block size, 'csr scipy' for a library's"
    )


def has_wrong_results(found: Sequence[Finding]) -> bool:
    """Tell whether a kernel of ours computed something wrong."""
    faults = {way for f in found for v in f.visits for way in v.faults}
    return any(way.endswith(LEVELS) for way in faults)


def find_break_even(case: Case, ways: Ways, seconds: float, seed: int) -> Finding:
    """Predict and measure the break-even of one case, in this process.

    Parameters
    ----------
    case : Case
        What to multiply.
    ways : Ways
        The machine that prices are for, and what may be chosen.
    seconds : float
        About how long to measure; a few densities are looked at in any case.
    seed : int
        Of all that is drawn.
    """
    begin = time.monotonic()
    own = [seed, zlib.crc32(repr(case).encode())]
    if not _has_way(case, ways):
        return Finding(case, None, NOWHERE, fault="no such way, or none at these levels")
    predicted = bisect_crossing(lambda d: predicted_ratio(case, d, ways, own[1]), case.over, MARK)
    visits: list[Visit] = []

    def measure(density: float) -> Sample:
        rng = np.random.default_rng([*own, len(visits)])
        longest = min(seconds / _VISITS, _LONGEST_VISIT)
        visits.append(visit(case, draw(case, density, rng), ways, longest))
        return visits[-1].sample

    start = predicted if NOWHERE < predicted < ANYWHERE else _GUESS
    left = seconds - (time.monotonic() - begin)
    _, found = search_crossing(measure, case.over, start, MARK, left, own[1] ^ seed)
    return Finding(case, found, predicted, _usual_way(visits, found), tuple(visits))


def _has_way(case: Case, ways: Ways) -> bool:
    """Tell whether there is a sparse way at all at the least density."""
    return predicted_ratio(case, case.over.low, ways, 0) < NO_WAY


def _usual_way(visits: Sequence[Visit], found: Estimate) -> str:
    """Return the way that was best most often within a factor of two of the break-even."""
    at = min(max(found.density, min(v.density for v in visits)), max(v.density for v in visits))
    near = [v.best for v in visits if v.best and at / 2 <= v.density <= 2 * at]
    return Counter(near).most_common(1)[0][0] if near else ""
