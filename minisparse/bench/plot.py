"""A picture of suites: our time over the baseline's, against density, a line for each pattern."""

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
        _draw_suite(panel, result)
    figure.savefig(path)


def curves(result: Results) -> dict[str, list[tuple[float, float]]]:
    """Return for each pattern the medians of ratios by density, over the cells that count."""
    suite = result.suite
    found: dict[tuple[str, float], list[float | None]] = {}
    for f in result.figures:
        if suite.counts(f.cell):
            ratio = f.ratio(suite.ours.name, suite.baseline)
            found.setdefault(f.cell.pair, []).append(ratio)
    lines: dict[str, list[tuple[float, float]]] = {}
    for (pattern, density), ratios in sorted(found.items()):
        middle = median(ratios)
        if middle is not None:
            lines.setdefault(pattern, []).append((density, middle))
    return lines


def _draw_suite(panel: Any, result: Results) -> None:
    for number, (pattern, points) in enumerate(curves(result).items()):
        densities, ratios = zip(*points, strict=True)
        mark = _MARKS[number % len(_MARKS)]
        panel.plot(densities, ratios, marker=mark, markersize=4, label=pattern)
    panel.axhline(1.0, color="black", linewidth=1, linestyle="--", label="break-even")
    panel.set(
        xscale="log", yscale="log", xlabel="density",
        ylabel=f"time over {' or '.join(result.suite.baseline)}",
        title=f"{result.suite.name} ({result.suite.counted})",
    )  # fmt: skip
    panel.grid(visible=True, which="both", linewidth=0.3)
    panel.legend(fontsize="small")
