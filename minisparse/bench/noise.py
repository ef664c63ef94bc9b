"""What is told of ratios that were measured in rounds, on a machine that does other things too.

A ratio is worth as much as its rounds agree. What is told of several cells are medians: of their
ratios, of the quartiles of their rounds, and of the spreads of these.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from minisparse.runtime import Timing

WIDEST = 0.5
"""A spread beyond which a ratio says nothing: quartiles half of the median away from it."""


@dataclass(frozen=True)
class Told:
    """What is told of the ratios of some cells.

    Attributes
    ----------
    ratio : float
        The median over cells of the rounds' median ratio.
    low, high : float
        The medians over cells of the rounds' quartiles.
    spread : float
        The median over cells of the rounds' spread: half the distance between the quartiles over
        the median.
    cells : int
        How many there are.
    """

    ratio: float
    low: float
    high: float
    spread: float
    cells: int

    def is_noise(self, mark: float = 1.0) -> bool:
        """Tell whether the rounds leave open on which side of a mark the ratio lies.

        They do if the mark lies between the quartiles, or if the spread is beyond ``WIDEST``.

        Examples
        --------
        >>> close = Told(ratio=0.97, low=0.9, high=1.02, spread=0.06, cells=1)
        >>> close.is_noise(), close.is_noise(2.0)
        (True, False)
        >>> Told(ratio=0.01, low=0.001, high=0.02, spread=0.95, cells=1).is_noise()
        True
        """
        return self.low < mark < self.high or self.spread > WIDEST


def tell(ratios: Iterable[Timing | None]) -> Told | None:
    """Return what is told of cells' ratios; None where there are none."""
    there = [ratio for ratio in ratios if ratio is not None]
    if not there:
        return None
    lows, highs = zip(*(ratio.quartiles for ratio in there), strict=True)
    middle, spread = (median(getattr(r, name) for r in there) for name in ("median", "spread"))
    return Told(middle, median(lows), median(highs), spread, len(there))
