"""Where sparse becomes faster than dense, by prediction and by measurement, for a few lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from minisparse.bench.breakeven_fit import find_crossing as fit_crossing
from minisparse.bench.breakeven_ways import MARK
from minisparse.bench.problems import Problem
from minisparse.bench.trials import Trial, measure_problem
from minisparse.core.dtypes import Array
from minisparse.cost import Target

DENSITIES = tuple(float(d) for d in np.geomspace(0.01, 0.9, 9))
"""At which a crossing is looked for."""
LINES = (
    ("unstructured", (768, 768), 256), ("unstructured", (512, 1024), 32),
    ("16x16", (768, 768), 256), ("16x16", (512, 1024), 32), ("4x4", (768, 768), 128),
    ("32x32", (1024, 512), 64), ("unstructured", (1024, 1024), 1), ("rows", (768, 512), 128),
)  # fmt: skip
"""Patterns, shapes and columns of which the break-even density is compared."""


@dataclass(frozen=True)
class Crossing:
    """Where sparse becomes faster than dense for one pattern, shape and number of columns.

    Attributes
    ----------
    pattern, shape, columns
        Of the problems.
    measured, predicted : float
        The density below which the best sparse candidate is faster; 0 for none, 1 for any.
    """

    pattern: str
    shape: tuple[int, ...]
    columns: int
    measured: float
    predicted: float

    @property
    def factor(self) -> float:
        """By which factor the prediction is off; what lies beyond the densities is at their end."""
        low, high = DENSITIES[0], DENSITIES[-1]
        a, b = (min(max(x, low), high) for x in (self.measured, self.predicted))
        return max(a / b, b / a)


def find_crossing(
    target: Target,
    line: tuple[str, tuple[int, int], int],
    seed: int,
    tell: Callable[[str], None],
) -> Crossing:
    """Return where the best sparse candidate's time meets the dense one's."""
    pattern, shape, columns = line
    ratios = []
    for number, density in enumerate(DENSITIES):
        problem = Problem(
            "spmv" if columns == 1 else "spmm", pattern, density, shape, columns, "float32"
        )
        tell(f"break-even: {problem}")
        trials = measure_problem(problem, number, target, np.random.default_rng([seed, 2, number]))
        ratios.append(_ratios(trials))
    measured, predicted = zip(*ratios, strict=True)
    return Crossing(
        pattern,
        shape,
        columns,
        crossing(DENSITIES, np.divide(measured, MARK)),
        crossing(DENSITIES, np.divide(predicted, MARK)),
    )


def _ratios(trials: Sequence[Trial]) -> tuple[float, float]:
    """Return the best sparse candidate's time over the dense one's, measured and predicted."""
    dense = next(t for t in trials if t.candidate.layout.format == "dense")
    sparse = [t for t in trials if t is not dense]
    measured = min(t.seconds for t in sparse) / dense.seconds
    return measured, min(t.candidate.seconds for t in sparse) / dense.candidate.seconds


def crossing(densities: Sequence[float], ratios: Sequence[float] | Array) -> float:
    """Return the density at which ratios pass 1; 0 or 1 where they never do.

    As :func:`minisparse.bench.breakeven_fit.find_crossing` fits it: made to grow with density.

    Examples
    --------
    >>> round(crossing((0.01, 0.1, 1.0), (0.1, 1.0, 10.0)), 6)
    0.1
    >>> crossing((0.1, 1.0), (2.0, 3.0)), crossing((0.1, 1.0), (0.2, 0.3))
    (0.0, 1.0)
    """
    return min(fit_crossing(np.array(densities), np.array(ratios)), 1.0)
