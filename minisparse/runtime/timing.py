"""Compare times on a machine that does other things too: interleaved rounds, medians."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


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
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles over the median; of fewer than 4 all count."""
        if len(self.seconds) < 4:
            low, high = min(self.seconds), max(self.seconds)
        else:
            low, _, high = statistics.quantiles(self.seconds, n=4)
        return (high - low) / 2 / self.median if self.median else 0.0


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
