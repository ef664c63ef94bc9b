"""Where a ratio of times crosses a mark: a monotone fit of noisy samples, and how sure it is.

Samples are ratios of times at several densities, some rounds each. Nothing is assumed of the curve
through them but that more stored entries do not take less time. So the fit is isotonic regression,
by pooling adjacent violators (Barlow, Bartholomew, Bremner and Brunk, "Statistical inference under
order restrictions", Wiley, 1972), and of what is pooled the median is taken (Robertson and Waltman,
"On estimating monotone parameters", Annals of Mathematical Statistics 39, 1968), so that a few
samples that something disturbed do not move it far. Between the steps of the fit the crossing is
interpolated, logarithms over logarithms.

How sure that is, is told by a bootstrap in two stages (Davison and Hinkley, "Bootstrap methods and
their application", Cambridge, 1997, section 3.8): samples are drawn with replacement, and rounds
within each. Rounds of one sample share a matrix, its place in memory and a moment of the machine,
so that they agree better with each other than with those of another sample; the first stage counts
that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array

NOWHERE, ANYWHERE = 0.0, float("inf")
"""The crossing of a curve that lies above the mark at all densities, and of one below at all."""
WIDEST = 1.6
"""An interval whose ends are further apart than by this factor does not tell the crossing."""
_CONFIDENCE = 0.95
_DRAWS = 400


class Sample(NamedTuple):
    """Ratios of times that were measured together.

    Attributes
    ----------
    density : float
        Of the matrix.
    ratios : tuple of float
        One a round, all above zero.
    """

    density: float
    ratios: tuple[float, ...]


@dataclass(frozen=True)
class Estimate:
    """A crossing, and how sure it is.

    Attributes
    ----------
    density : float
        Of the fit's crossing: below it the ratio lies below the mark. :data:`NOWHERE` and
        :data:`ANYWHERE` where the fit does not cross.
    low, high : float
        The ends of a 95 % interval; each may be one of the two as well.
    """

    density: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``"crosses"``, ``"none wins"``, ``"all win"``, or ``"cannot be told"``.

        Examples
        --------
        >>> Estimate(0.1, 0.09, 0.12).verdict, Estimate(0.1, 0.05, 0.2).verdict
        ('crosses', 'cannot be told')
        >>> Estimate(NOWHERE, NOWHERE, NOWHERE).verdict, Estimate(0.9, 0.7, ANYWHERE).verdict
        ('none wins', 'cannot be told')
        """
        if self.high == NOWHERE:
            return "none wins"
        if self.low == ANYWHERE:
            return "all win"
        is_near = self.high < ANYWHERE and self.high <= WIDEST * self.low
        return "crosses" if is_near else "cannot be told"


def pool_adjacent(groups: Sequence[Sequence[float]]) -> Array:
    """Return the non-decreasing sequence of least absolute distance from groups of values.

    Parameters
    ----------
    groups : sequence of sequence of float
        In the order in which they should not decrease, none of them empty.

    Returns
    -------
    ndarray of float64
        A value for each group: the median of all that were pooled with it.

    Examples
    --------
    >>> pool_adjacent([[1.0], [3.0], [2.0], [5.0]])
    array([1. , 2.5, 2.5, 5. ])
    """
    pools: list[tuple[float, list[float], int]] = []
    for group in groups:
        values, size = list(group), 1
        while pools and pools[-1][0] >= median(values):
            _, before, sizes = pools.pop()
            values, size = before + values, sizes + size
        pools.append((median(values), values, size))
    return np.repeat([middle for middle, _, _ in pools], [size for _, _, size in pools])


def find_crossing(densities: Array, ratios: Array, mark: float = 1.0) -> float:
    """Return the density at which the monotone fit of ratios reaches a mark.

    Parameters
    ----------
    densities, ratios : ndarray, shape (samples,)
        In any order, above zero.
    mark : float
        What is crossed.

    Returns
    -------
    float
        :data:`NOWHERE` where all of the fit lies above the mark, :data:`ANYWHERE` where all of it
        lies below.

    Examples
    --------
    >>> float(find_crossing(np.array([0.4, 0.1]), np.array([2.0, 0.5])))  # doctest: +ELLIPSIS
    0.2...
    """
    groups: dict[float, list[float]] = {}
    for density, height in sorted(zip(densities.tolist(), np.log(ratios / mark), strict=True)):
        groups.setdefault(density, []).append(float(height))
    fit = pool_adjacent(list(groups.values()))
    if fit[0] > 0:
        return NOWHERE
    if fit[-1] < 0:
        return ANYWHERE
    counts = np.array([len(group) for group in groups.values()])
    steps, first = np.unique(fit, return_index=True)
    middles = np.add.reduceat(np.log(list(groups)) * counts, first) / np.add.reduceat(counts, first)
    return float(np.exp(np.interp(0.0, steps, middles)))


def estimate_crossing(
    samples: Sequence[Sample], rng: np.random.Generator, mark: float = 1.0, draws: int = _DRAWS
) -> Estimate:
    """Return the crossing of samples' medians, and its 95 % interval.

    Parameters
    ----------
    samples : sequence of Sample
        At least one.
    rng : numpy.random.Generator
        Draws the bootstrap's samples and rounds.
    mark : float
        What is crossed.
    draws : int
        How often the samples are drawn anew.
    """
    densities = np.array([s.density for s in samples])
    medians = np.array([np.median(s.ratios) for s in samples])
    drawn = _drawn_medians(samples, rng, draws)
    found = []
    for choice in rng.integers(0, len(samples), (draws, len(samples))):
        redrawn = drawn[rng.integers(0, draws, len(samples)), choice]
        found.append(find_crossing(densities[choice], redrawn, mark))
    found.sort()
    beyond = round((1 - _CONFIDENCE) / 2 * draws)
    at = find_crossing(densities, medians, mark)
    return Estimate(at, min(at, found[beyond]), max(at, found[-1 - beyond]))


def _drawn_medians(samples: Sequence[Sample], rng: np.random.Generator, draws: int) -> Array:
    """Return medians of rounds drawn with replacement, ``[draws, samples]``."""
    columns = []
    for sample in samples:
        rounds = np.array(sample.ratios)
        columns.append(np.median(rng.choice(rounds, (draws, len(rounds))), axis=1))
    return np.stack(columns, axis=1)
