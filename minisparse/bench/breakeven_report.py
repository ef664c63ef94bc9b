"""An atlas of break-evens told: a table of at most 80 columns, Markdown for a page, and JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import exp, isfinite, log
from statistics import fmean
from typing import Any

from minisparse.bench.breakeven import NEAR, Finding, Settings
from minisparse.bench.breakeven_fit import ANYWHERE, NOWHERE, Estimate
from minisparse.bench.breakeven_ways import MARK, Visit
from minisparse.show import folded_text, wrap

FORMAT = 1
"""Changes where the meaning of a key does."""
_HEADERS = ("pattern", "wins below", "95 % interval", "predicted", "ratio", "way", "n")
_FAULTS_SHOWN = 5


def atlas_text(settings: Settings, machine: Mapping[str, str], found: Sequence[Finding]) -> str:
    """Return all that was found as text."""
    parts = [
        wrap(", ".join(f"{name} {value}" for name, value in machine.items())),
        wrap(_legend(settings)),
        *_tables([f for f in found if f.estimate is not None]),
        wrap(summary(found)),
        _left_out(settings, found),
        _faults(found),
    ]
    return "\n\n".join(part for part in parts if part)


def _legend(settings: Settings) -> str:
    what = f"{settings.only}'s" if settings.only else "the best sparse way's"
    return (
        f"Below which density {what} time is at most {MARK:g} of dense, seed {settings.seed}. "
        "none: at no density that was tried; any: at every one; ?: it cannot be told where in "
        "the interval. predicted: by prices; ratio: predicted over measured. n: rounds in which "
        "both were timed."
    )


def _tables(found: Sequence[Finding]) -> list[str]:
    """Return a table for each shape, N and dtype."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for f in found:
        groups.setdefault((*f.case.shape, f.case.columns, f.case.dtype), []).append(f)
    return [
        f"{m}x{k}, N = {n}, {dtype}\n\n"
        + folded_text(_HEADERS, [*map(_row, group)], align="lrlrrlr")
        for (m, k, n, dtype), group in groups.items()
    ]


def _row(f: Finding) -> tuple[str, ...]:
    assert f.estimate is not None
    ratio = "" if f.ratio is None else f"{f.ratio:.2f}"
    told = _measured(f.estimate), _interval(f), density_word(f.predicted)
    return f.case.pattern, *told, ratio, f.way.removesuffix(" vectorized"), str(f.samples)


def _measured(estimate: Estimate) -> str:
    words = {"none wins": "none", "all win": "any", "cannot be told": "?"}
    return words.get(estimate.verdict) or density_word(estimate.density)


def _interval(f: Finding) -> str:
    """Return the interval's ends, or of a verdict without any how far it was tried."""
    assert f.estimate is not None
    if f.estimate.verdict == "none wins":
        return f"from {density_word(f.case.over.low)} up"
    if f.estimate.verdict == "all win":
        return f"up to {density_word(f.case.over.high)}"
    return f"{density_word(f.estimate.low)} - {density_word(f.estimate.high)}"


def density_word(density: float) -> str:
    """Return a density, or the word for a crossing that is none.

    Examples
    --------
    >>> [density_word(d) for d in (0.0, 0.1234, 0.04, float("inf"))]
    ['none', '0.123', '0.040', 'any']
    """
    if density in (NOWHERE, ANYWHERE):
        return "none" if density == NOWHERE else "any"
    return f"{density:.4f}" if density < 0.01 else f"{density:.3f}"


def summary(found: Sequence[Finding]) -> str:
    """Say how often predictions were near, and how far off the worst was."""
    judged = [f for f in found if f.agrees is not None]
    if not judged:
        return "No break-even could be told: a longer run or a quieter machine may."
    near = sum(bool(f.agrees) for f in judged)
    factors = [(exp(abs(log(f.ratio))), f.case) for f in judged if f.ratio is not None]
    text = (
        f"Predicted within {NEAR:g} of measured, or none or any like it: {near} of {len(judged)}."
    )
    if factors:
        worst, case = max(factors, key=lambda pair: pair[0])
        mean = exp(fmean(log(factor) for factor, _ in factors))
        text += (
            f" Where both are densities, they differ by a factor of {mean:.2f} in the geometric "
            f"mean, by {worst:.2f} at worst ({case})."
        )
    unclear = sum(f.estimate is not None for f in found) - len(judged)
    return text + (f" {unclear} could not be told." if unclear else "")


def _left_out(settings: Settings, found: Sequence[Finding]) -> str:
    left = len(settings.cases) - len(found)
    return wrap(f"Left out because the time was up: {left} cases.") if left else ""


def _faults(found: Sequence[Finding]) -> str:
    """Name what could not be measured, and results that were wrong, each kind once."""
    told: Counter[str] = Counter()
    first: dict[str, str] = {}
    for f in found:
        wrong = {f"{way}: {fault}" for v in f.visits for way, fault in v.faults.items()}
        for text in {f.fault, *wrong} - {""}:
            kind = text.partition(" of ")[0]
            told[kind] += 1
            first.setdefault(kind, f"{text} ({f.case})")
    lines = [
        wrap(f"not measured in {count} cases: {first[kind]}")
        for kind, count in told.most_common(_FAULTS_SHOWN)
    ]
    return "\n".join(lines)


def atlas_markdown(found: Sequence[Finding]) -> str:
    """Return a table for a page: a row for each pattern and shape, a column for each N."""
    columns = list(dict.fromkeys(f.case.columns for f in found))
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for f in found:
        shape = "x".join(map(str, f.case.shape))
        rows.setdefault((f.case.pattern, shape), {})[f.case.columns] = _cell(f)
    lines = [
        "| pattern | shape | " + " | ".join(f"N = {n}" for n in columns) + " |",
        "| --- | --- | " + " | ".join("---" for _ in columns) + " |",
    ]
    for (pattern, shape), cells in rows.items():
        told = " | ".join(cells.get(n, "") for n in columns)
        lines.append(f"| {pattern} | {shape} | {told} |")
    return "\n".join(lines)


def _cell(f: Finding) -> str:
    """Return ``0.12 (0.11 - 0.13), predicted 0.15``."""
    if f.estimate is None:
        return "not measured"
    told = f"{_measured(f.estimate)} ({_interval(f)})"
    return f"{told}, predicted {density_word(f.predicted)}"


def as_json(
    settings: Settings, machine: Mapping[str, str], found: Sequence[Finding]
) -> dict[str, Any]:
    """Return everything as what JSON can hold; docs/break_even.md says what each key means."""
    asked = {name: value for name, value in asdict(settings).items() if name != "cases"}
    return {
        "format": FORMAT,
        "machine": dict(machine),
        "settings": {**asked, "mark": MARK, "cases": len(settings.cases)},
        "cases": [_finding_json(f) for f in found],
    }


def _finding_json(f: Finding) -> dict[str, Any]:
    estimate = f.estimate
    return {
        **f.case._asdict(),
        "shape": list(f.case.shape),
        "tried": [f.case.over.low, f.case.over.high],
        "verdict": "not measured" if estimate is None else estimate.verdict,
        "break_even": None if estimate is None else _number(estimate.density),
        "interval": None if estimate is None else [_number(estimate.low), _number(estimate.high)],
        "predicted": _number(f.predicted),
        "predicted_over_measured": f.ratio,
        "way": f.way,
        "fault": f.fault,
        "visits": [_visit_json(v) for v in f.visits],
    }


def _number(density: float) -> float | str:
    return density if isfinite(density) and density > 0 else density_word(density)


def _visit_json(v: Visit) -> dict[str, Any]:
    return {
        "density": v.density,
        "predicted_ratio": v.predicted,
        "best": v.best,
        "ratios": {name: list(rounds) for name, rounds in v.ratios.items()},
        "faults": dict(v.faults),
    }
