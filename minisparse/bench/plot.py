"""A picture of suites: our time over the baseline's, a line for each pattern over density."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minisparse.bench.contest import median
from minisparse.bench.kernels_report import Results
from minisparse.core.errors import UsageError
from minisparse.core.extras import require

KINDS = (".png", ".svg", ".pdf")
_MARKS = "osD^v<>Ph*"


def check_plot(path: Path) -> None:
    """Raise what would go wrong, before minutes are spent.

    Raises
    ------
    UsageError
        If the file's name says no kind of picture that can be written.
    MissingExtraError
        If matplotlib is not installed.
    """
    if path.suffix not in KINDS:
        raise UsageError(f"--plot {path}: the name must end in {', '.join(KINDS)}")
    require("matplotlib.figure", "viz", "drawing figures of a benchmark")


def draw_plot(results: Sequence[Results], path: Path) -> None:
    """Write the picture, one panel a suite."""
    module = require("matplotlib.figure", "viz", "drawing figures of a benchmark")
    figure = module.Figure(figsize=(6.4 * len(results), 4.8), layout="constrained")
    for panel, result in zip(
        figure.subplots(1, len(results), squeeze=False)[0], results, strict=True
    ):
        draw_suite(panel, result)
    figure.savefig(path)


def curves(result: Results) -> dict[str, list[tuple[float, float]]]:
    """Return for each pattern the medians of ratios by density, over the cells that count.

    For models it is the batch: see :attr:`minisparse.bench.suite.Suite.row`.
    """
    suite = result.suite
    line, axis = suite.row
    found: dict[tuple[str, float], list[float | None]] = {}
    for f in result.figures:
        if suite.counts(f.cell):
            ratio = f.ratio(suite.ours.name, suite.baseline)
            place = getattr(f.cell, line), getattr(f.cell, axis)
            found.setdefault(place, []).append(ratio)
    lines: dict[str, list[tuple[float, float]]] = {}
    for (pattern, x), ratios in sorted(found.items()):
        middle = median(ratios)
        if middle is not None:
            lines.setdefault(pattern, []).append((x, middle))
    return lines


def draw_suite(panel: Any, result: Results) -> None:
    """Draw the curves of a suite on a panel of matplotlib's; ticks are what was measured."""
    drawn = curves(result)
    for number, (pattern, points) in enumerate(drawn.items()):
        mark = _MARKS[number % len(_MARKS)]
        panel.plot(*zip(*points, strict=True), marker=mark, markersize=4, label=pattern)
    panel.axhline(1.0, color="black", linewidth=1, linestyle="--", label="break-even")
    panel.set(
        xscale="log", yscale="log", xlabel=result.suite.axis,
        ylabel=_over(result.suite.baseline),
        title=f"{result.suite.name} ({result.suite.counted})",
    )  # fmt: skip
    measured = sorted({x for points in drawn.values() for x, _ in points})
    panel.set_xticks(measured, [f"{x:g}" for x in measured])
    panel.set_xticks([], minor=True)
    ratios = _round_numbers(*panel.get_ylim())
    panel.set_yticks(ratios, [f"{y:g}" for y in ratios])
    panel.set_yticks([], minor=True)
    panel.grid(visible=True, which="both", linewidth=0.3)
    panel.legend(fontsize="small")


def _over(baseline: Sequence[str]) -> str:
    """Say what our time is divided by."""
    several = "the fastest of " if len(baseline) > 1 else ""
    return f"our time over {several}{', '.join(baseline)}"


def _round_numbers(low: float, high: float) -> list[float]:
    """Return what an axis of ratios is marked with, closer together where it is short.

    Examples
    --------
    >>> _round_numbers(0.79, 1.6), _round_numbers(0.04, 0.6)
    ([0.8, 0.9, 1.0, 1.2, 1.5], [0.05, 0.1, 0.2, 0.5])
    """
    steps = (1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 9) if high < 10 * low else (1, 2, 5)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    marks = [float(f"{step}e{decade}") for decade in decades for step in steps]
    return [mark for mark in marks if low <= mark <= high]
