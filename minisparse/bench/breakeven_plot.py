"""A picture of break-evens: time over dense by density, and where it reaches the mark."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from minisparse.bench.breakeven import Finding
from minisparse.bench.breakeven_fit import ANYWHERE, NOWHERE, pool_adjacent
from minisparse.bench.breakeven_ways import MARK
from minisparse.core.extras import require

_HIGHEST, _LOWEST = 4.0, 0.2
"""Ratios that are drawn."""


def draw_atlas(found: Sequence[Finding], path: Path) -> None:
    """Write the picture: a row of panels a shape, a column N, a curve a pattern.

    Parameters
    ----------
    found : sequence of Finding
        Those without an estimate are left out.
    path : Path
        Its ending says which kind of picture: see :func:`minisparse.bench.plot.check_plot`.
    """
    module = require("matplotlib.figure", "viz", "drawing break-evens")
    shapes = list(dict.fromkeys(f.case.shape for f in found))
    columns = list(dict.fromkeys(f.case.columns for f in found))
    size = 4.6 * len(columns) + 1.4, 3.6 * len(shapes)
    figure = module.Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(shapes), len(columns), squeeze=False, sharex=True, sharey=True)
    patterns = list(dict.fromkeys(f.case.pattern for f in found))
    for i, shape in enumerate(shapes):
        for j, n in enumerate(columns):
            own = [f for f in found if f.case.shape == shape and f.case.columns == n]
            draw_panel(panels[i][j], own, patterns)
            panels[i][j].set_title(f"{shape[0]}x{shape[1]}, N = {n}", fontsize="medium")
        panels[i][0].set_ylabel("time over dense")
    for panel in panels[-1]:
        panel.set_xlabel("density")
    handles = {
        label: handle
        for panel in panels.flat
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside right upper", fontsize="small")
    figure.savefig(path)


def draw_panel(panel: Any, found: Sequence[Finding], patterns: Sequence[str]) -> None:
    """Draw one shape and N: curves, intervals at the mark, and crosses for what was predicted."""
    panel.axhline(MARK, color="black", linewidth=1, linestyle="--")
    for f in found:
        if f.estimate is None or not f.visits:
            continue
        number = patterns.index(f.case.pattern)
        color = f"C{number % 10}"
        densities, medians, fit = _curve(f)
        panel.plot(densities, fit, color=color, linewidth=1, label=f.case.pattern)
        panel.plot(densities, medians, ".", color=color, markersize=4)
        height = MARK * 1.06 ** (number - len(patterns) / 2)  # side by side, not on one another
        if f.estimate.low < ANYWHERE and f.estimate.high > NOWHERE:
            ends = [_shown(d, f) for d in (f.estimate.low, f.estimate.high)]
            panel.plot(ends, [height] * 2, color=color, linewidth=4, solid_capstyle="butt")
        if NOWHERE < f.predicted < ANYWHERE:
            panel.plot([f.predicted], [height], "x", color=color, markersize=7)
    panel.set(xscale="log", yscale="log", ylim=(_LOWEST, _HIGHEST))
    panel.set_yticks([0.2, 0.5, 1, 2, 4], ["0.2", "0.5", "1", "2", "4"])
    panel.set_yticks([], minor=True)
    panel.grid(visible=True, linewidth=0.3)


def _curve(f: Finding) -> tuple[list[float], list[float], list[float]]:
    """Return densities in order, the medians there, and their monotone fit."""
    samples = sorted(v.sample for v in f.visits)
    medians = [median(s.ratios) for s in samples]
    fit = np.exp(pool_adjacent([[height] for height in np.log(medians).tolist()]))
    return [s.density for s in samples], medians, fit.tolist()


def _shown(density: float, f: Finding) -> float:
    """Return where an end of an interval is drawn that may lie beyond what was tried."""
    return min(max(density, f.case.over.low), f.case.over.high)
