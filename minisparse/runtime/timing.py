"""Compare times on a machine that does other things too: interleaved rounds, medians."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Measured seconds of one thing.

    Attributes
    ----------
    seconds : tuple of float
        One figure a round.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round."""
        return float(np.median(self.seconds))

    @property
    def quartiles(self) -> tuple[float, float]:
        """The seconds below which a quarter, and three quarters, of the rounds lie."""
        if len(self.seconds) < 4:
            return min(self.seconds), max(self.seconds)
        low, high = np.quantile(self.seconds, (0.25, 0.75))
        return float(low), float(high)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles over the median; of fewer than 4 all count."""
        low, high = self.quartiles
        return (high - low) / 2 / self.median if self.median else 0.0

    def is_below(self, other: "Timing") -> bool:
        """Tell whether three quarters of the rounds took less than three quarters of the other's.

        What differs by less than this is not called a difference.

        Examples
        --------
        >>> Timing((1.0, 1.1, 1.2, 1.3)).is_below(Timing((2.0, 2.1, 2.2, 9.0)))
        True
        >>> Timing((1.0, 1.1, 1.2, 5.0)).is_below(Timing((1.1, 1.2, 1.3, 1.4)))
        False
        """
        return self.quartiles[1] < other.quartiles[0]


def measure(
    contenders: Mapping[str, Callable[[], object]], rounds: int = 25, budget: float = 0.5
) -> dict[str, Timing]:
    """Time several things against each other.

    Each round runs each contender once, so that whatever else the machine does falls on all of
    them. One round before, not counted, warms caches and memory.

    Parameters
    ----------
    contenders : mapping
        From names to functions without arguments.
    rounds : int
        At most so many rounds are counted.
    budget : float
        Seconds after which no further round is begun; at least five are counted.
    """
    for function in contenders.values():
        function()
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    begin = time.perf_counter()
    for i in range(rounds):
        if i >= 5 and time.perf_counter() - begin > budget:
            break
        for name, function in contenders.items():
            start = time.perf_counter()
            function()
            taken[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(seconds)) for name, seconds in taken.items()}
