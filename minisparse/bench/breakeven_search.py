"""At which densities to measure: near the crossing, wherever that turns out to be.

First the crossing is caught between two densities and the gap is halved, in logarithms of density,
until they differ by a factor of two. Then samples are taken around the fit's crossing, at two
distances and on the side that has fewer, each time of the fit that has been made anew: a wrong turn
of the first part is corrected by the second, and a bootstrap rarely draws from one side alone. What
is predicted needs no samples: it is free of noise, and found by bisection.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from minisparse.bench.breakeven_fit import (
    ANYWHERE,
    NOWHERE,
    Estimate,
    Sample,
    estimate_crossing,
    find_crossing,
)

LEAST, MOST = 9, 20
"""Samples that are taken at least, however short the time, and at most."""
_ENOUGH = 10
"""So many samples end the search if they tell the crossing closely, or that there is none."""
_CLOSE = 1.1
_OFFSETS = (0.35, 0.12)
"""Distances from the crossing, in logarithms of density: factors of 1.4 and of 1.13."""
_JITTER = 0.08
_STRIDE = math.log(4)
_CAUGHT = math.log(2)
_GRID, _HALVINGS = 7, 6

Measure = Callable[[float], Sample]


@dataclass(frozen=True)
class Range:
    """The densities that a pattern can have.

    Attributes
    ----------
    low, high : float
        The least and the largest that are tried.
    steps : tuple of float
        All of them, in order, where there are only some: of n:m.
    """

    low: float
    high: float = 1.0
    steps: tuple[float, ...] = ()


def search_crossing(
    measure: Measure, over: Range, start: float, mark: float, seconds: float, seed: int
) -> tuple[list[Sample], Estimate]:
    """Take samples around a crossing until it is told closely, or the time is up.

    Parameters
    ----------
    measure : callable
        From a density to a sample; what it returns may have another density, a little off.
    over : Range
        Which densities can be had.
    start : float
        Where the crossing is presumed to be.
    mark : float
        The ratio to be crossed.
    seconds : float
        No sample is begun later, but for the first :data:`LEAST`.
    seed : int
        Of the choice of densities, and of the bootstrap.
    """
    rng, end = np.random.default_rng(seed), time.monotonic() + seconds
    samples = [] if over.steps else catch_crossing(measure, over, start, mark)
    while len(samples) < LEAST or (len(samples) < MOST and time.monotonic() < end):
        samples.append(measure(_next_density(samples, over, mark, rng)))
        if len(samples) >= _ENOUGH and not len(samples) % 2 and _is_told(samples, rng, mark):
            break
    return samples, estimate_crossing(samples, rng, mark)


def catch_crossing(measure: Measure, over: Range, start: float, mark: float) -> list[Sample]:
    """Return samples between whose densities, a factor of two apart, the crossing seems to lie.

    Where there seems to be none, the last of the samples is at an end of the range.
    """
    low, high = math.log(over.low), math.log(over.high)
    below, above = -math.inf, math.inf
    at = min(max(math.log(start), low), high)
    samples: list[Sample] = []
    while True:
        samples.append(measure(math.exp(at)))
        if median(samples[-1].ratios) > mark:
            above = at
        else:
            below = at
        if above <= low or below >= high or above - below <= _CAUGHT or len(samples) >= MOST:
            return samples
        if math.isinf(above):
            at = min(below + _STRIDE, high)
        elif math.isinf(below):
            at = max(above - _STRIDE, low)
        else:
            at = (above + below) / 2


def _next_density(
    samples: Sequence[Sample], over: Range, mark: float, rng: np.random.Generator
) -> float:
    """Return where to look next: beside the crossing, or at the end beyond which it lies."""
    if len(samples) < len(over.steps):
        return over.steps[len(samples)]
    densities = np.array([s.density for s in samples])
    medians = np.array([median(s.ratios) for s in samples])
    at = min(max(find_crossing(densities, medians, mark), over.low), over.high)
    below = np.count_nonzero(densities < at) <= len(samples) // 2
    if over.steps:
        side = [d for d in over.steps if (d < at) == below] or [at]
        return max(side) if below else min(side)
    offset = _OFFSETS[len(samples) // 2 % len(_OFFSETS)] + rng.uniform(-_JITTER, _JITTER)
    wanted = at * math.exp(-offset if below else offset)
    return float(min(max(wanted, over.low), over.high))


def _is_told(samples: Sequence[Sample], rng: np.random.Generator, mark: float) -> bool:
    found = estimate_crossing(samples, rng, mark, draws=200)
    if found.verdict == "crosses":
        return found.high <= _CLOSE * found.low
    return found.verdict != "cannot be told"


def bisect_crossing(ratio: Callable[[float], float], over: Range, mark: float) -> float:
    """Return where a ratio without noise crosses a mark, to about a fiftieth.

    Parameters
    ----------
    ratio : callable
        Of a density. Where it crosses more than once, the largest crossing is returned.
    over : Range
        Which densities can be had.
    mark : float
        What is crossed.

    Returns
    -------
    float
        :data:`minisparse.bench.breakeven_fit.NOWHERE` or ``ANYWHERE`` where it does not.

    Examples
    --------
    >>> round(bisect_crossing(lambda d: 5 * d, Range(0.001), 1.0), 2)
    0.2
    >>> bisect_crossing(lambda d: 2.0, Range(0.001), 1.0)
    0.0
    """
    if over.steps:
        ratios = np.array([ratio(d) for d in over.steps])
        return find_crossing(np.array(over.steps), ratios, mark)
    grid = np.geomspace(over.low, over.high, _GRID).tolist()
    above = None
    for density in reversed(grid):
        if ratio(density) < mark:
            return ANYWHERE if above is None else _halve(ratio, density, above, mark)
        above = density
    return NOWHERE


def _halve(ratio: Callable[[float], float], below: float, above: float, mark: float) -> float:
    for _ in range(_HALVINGS):
        middle = math.sqrt(below * above)
        if ratio(middle) < mark:
            below = middle
        else:
            above = middle
    return math.sqrt(below * above)
