"""How the figures of a suite are told: tables of at most 80 columns, promises, and JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minisparse.bench.contest import Figure, median
from minisparse.bench.noise import WIDEST, Told, tell
from minisparse.bench.promises import (
    DISPATCH,
    DISPATCH_LIMIT,
    SCRATCH_LIMIT,
    dispatch_losses,
    largest_scratch,
    outcomes,
)
from minisparse.bench.sampling import Sample
from minisparse.bench.suite import Cell, Promise, Suite
from minisparse.show import folded_text, human_bytes, human_seconds, wrap

_COLUMNS = 80
_FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Results:
    """All that came of one suite.

    Attributes
    ----------
    suite : Suite
        What was run.
    sample : Sample
        What was to be timed.
    figures : sequence of Figure
        What was.
    missing : mapping
        Contenders that cannot take part: what they lack, and what installs it.
    settings : mapping
        Seed, budget, threads and what was asked for.
    """

    suite: Suite
    sample: Sample
    figures: Sequence[Figure]
    missing: Mapping[str, str]
    settings: Mapping[str, Any]

    @property
    def peers(self) -> list[str]:
        """Return whom we are compared with."""
        names = [c.name for c in self.suite.contenders[1:]]
        return [name for name in names if any(name in f.times for f in self.figures)]


def machine_text(machine: Mapping[str, str]) -> str:
    """Return the machine in a few lines."""
    return wrap(", ".join(f"{name} {value}" for name, value in machine.items()))


def results_text(results: Results) -> str:
    """Return what was measured of one suite, and what of the promises was kept."""
    suite, sample = results.suite, results.sample
    head = (
        f"{suite.name}: {suite.about}. {len(results.figures)} cells of {sample.population}"
        f"{_left_out(results)}, seed {results.settings['seed']}."
    )
    counted = [f for f in results.figures if suite.counts(f.cell)]
    others = [f for f in results.figures if not suite.counts(f.cell)]
    parts = [wrap(head)]
    if counted:
        parts += [wrap(_legend(results)), _tables(results, counted)]
    if others:
        parts += ["the other cells", _tables(results, others)]
    parts += [_promises(suite, results.figures), _choices(results), _scratch(results)]
    parts += [_missing(results), _faults(results.figures)]
    return "\n\n".join(part for part in parts if part)


def _legend(results: Results) -> str:
    """Say what a table's columns are."""
    ours = results.suite.ours.name
    told = [
        f"{results.suite.counted}; {ours} is our time, the columns beside it our time over theirs, "
        "below 1 where ours is shorter: medians of # cells.",
        f"{DISPATCH}: what minisparse chooses by itself, above 1 where that is faster than {ours}.",
        "+-: the widest spread of rounds among them.",
        f"~: noise, the rounds' ratios lie on both sides of 1 or spread by more than {WIDEST:.0%}.",
    ]
    return " ".join(line for line in told if DISPATCH in results.peers or DISPATCH not in line)


def _left_out(results: Results) -> str:
    sample, notes = results.sample, []
    if sample.too_large:
        notes.append(f"{sample.too_large} take too large a part of the budget")
    late = len(sample.cells) - len(results.figures)
    if late:
        notes.append(f"{late} more were drawn, but the time was up")
    return f" ({'; '.join(notes)})" if notes else ""


def _tables(results: Results, figures: Sequence[Figure]) -> str:
    """Return a table of all peers, or as many as it takes for none to be too wide."""
    rows: dict[tuple[Any, ...], list[Figure]] = {}
    for f in sorted(figures, key=lambda f: _place(results.suite, f.cell)):
        rows.setdefault(tuple(getattr(f.cell, name) for name in results.suite.row), []).append(f)
    tables: list[str] = []
    left = results.peers
    while left or not tables:
        fitting = len(left)
        while fitting > 1 and _width(_table(results.suite, rows, left[:fitting])) > _COLUMNS:
            fitting -= 1
        tables.append(_table(results.suite, rows, left[:fitting]))
        left = left[fitting:]
    return "\n\n".join(tables)


def _table(
    suite: Suite, rows: Mapping[tuple[Any, ...], Sequence[Figure]], peers: Sequence[str]
) -> str:
    return folded_text(
        (*suite.row[:-1], suite.axis, "#", suite.ours.name, *peers, "+-"),
        [(*map(_word, row), *_row(suite, peers, of)) for row, of in rows.items()],
        max_width=2 * _COLUMNS,  # whoever calls looks how wide it became
        align="l" + "r" * (len(suite.row) + len(peers) + 2),
    )


def _width(text: str) -> int:
    return max(map(len, text.split("\n")))


def _place(suite: Suite, cell: Cell) -> tuple[int, float, int]:
    """Return where a cell stands: patterns in the suite's order, the densest first."""
    patterns = list(dict.fromkeys(cell.pattern for cell in suite.cells()))
    return patterns.index(cell.pattern), -cell.density, cell.columns


def _row(suite: Suite, peers: Sequence[str], figures: Sequence[Figure]) -> tuple[str, ...]:
    """Return how many cells, our time, its ratio to each peer's, and the widest spread."""
    ours = suite.ours.name
    time = median(f.times[ours].median for f in figures if ours in f.times)
    told = [tell(f.ratios(ours, (peer,)) for f in figures) for peer in peers]
    spread = max((found.spread for found in told if found), default=None)
    return (
        str(len(figures)),
        "-" if time is None else human_seconds(time),
        *(_marked(found) for found in told),
        "-" if spread is None else f"{spread:.0%}" if spread < 9.995 else ">999%",
    )


def _marked(told: Told | None) -> str:
    """Return a ratio, and whether it is noise."""
    return "-" if told is None else ("~" if told.is_noise() else "") + _number(told.ratio)


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(ratio: float | None) -> str:
    """Return three digits, or two behind the point."""
    if ratio is None:
        return "-"
    return f"{ratio:.3f}" if ratio < 0.0995 else f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.3g}"


def _beside(ratio: float | None, limit: float) -> str:
    """Return a ratio in as many digits as tell it from a limit that it is not.

    Examples
    --------
    >>> _beside(0.5523, 0.55), _beside(0.5, 0.55), _beside(0.55, 0.55)
    ('0.552', '0.50', '0.55')
    """
    text, digits = _number(ratio), 3
    while ratio is not None and ratio != limit and float(text) == float(_number(limit)):
        text, digits = f"{ratio:.{digits}f}", digits + 1
    return text


def _promises(suite: Suite, figures: Sequence[Figure]) -> str:
    found = outcomes(suite, figures)
    if not found:
        return ""
    rows = [
        (
            _promised(suite, outcome.promise),
            _number(outcome.promise.limit),
            _beside(outcome.told.ratio if outcome.told else None, outcome.promise.limit),
            str(outcome.told.cells if outcome.told else 0),
            outcome.verdict,
        )
        for outcome in found
        if any(outcome.promise.covers(f.cell) for f in figures)
    ]
    verdicts = Counter(outcome.verdict for outcome in found)
    told = wrap(
        f"promises: {verdicts['kept']} kept of {len(found) - verdicts['not measured']} measured, "
        f"{verdicts['not clear']} of them not clear, {len(found)} in all. Not clear: the rounds' "
        f"ratios lie on both sides of the limit or spread by more than {WIDEST:.0%}."
    )
    table = folded_text(("promise", "limit", "found", "cells", ""), rows, align="lrrrl")
    return f"{table}\n\n{told}" if rows else told


def _promised(suite: Suite, promise: Promise) -> str:
    patterns = ", ".join(promise.patterns)
    density = "" if promise.density is None else f" at {promise.density:g}"
    subject = f"{promise.subject} " if promise.subject else ""
    return f"{patterns}{density}, {subject}over {'/'.join(promise.peers)}"


def _choices(results: Results) -> str:
    """Say how often dispatch chose about the best of what was timed beside it."""
    losses = sorted(dispatch_losses(results.suite, results.figures))
    if not losses:
        return ""
    near = sum(loss <= DISPATCH_LIMIT for loss in losses)
    chosen = Counter(f.loaded[DISPATCH].note for f in results.figures if DISPATCH in f.times)
    names = ", ".join(f"{name} ({count})" for name, count in chosen.most_common())
    return wrap(
        f"dispatch: within {DISPATCH_LIMIT:g} of the best of {', '.join(results.suite.candidates)} "
        f"on {near} of {len(losses)} cells; median {_number(median(losses))}, "
        f"worst {_number(losses[-1])}. It chose {names}."
    )


def _scratch(results: Results) -> str:
    found = largest_scratch(results.suite, results.figures)
    if found is None:
        return ""
    most, name, figure = found
    verdict = "kept" if most <= SCRATCH_LIMIT else "missed"
    return wrap(
        f"scratch: at most {human_bytes(SCRATCH_LIMIT)} beside operands and result: {verdict}, "
        f"{human_bytes(most)} ({name}: {cell_text(figure.cell)})"
    )


def cell_text(cell: Cell) -> str:
    """Return a cell in a few words."""
    shape = "x".join(map(str, cell.shape))
    parts = (f"{cell.pattern} {cell.density:g}", shape, str(cell.columns or ""), cell.dtype)
    return ", ".join(part for part in parts if part)


def _missing(results: Results) -> str:
    return "\n".join(
        wrap(f"not compared with {name}: {lack}") for name, lack in results.missing.items()
    )


def _faults(figures: Sequence[Figure]) -> str:
    """Name results that were wrong, or not to be had: each fault of a contender once."""
    told: dict[tuple[str, str], list[Cell]] = {}
    for figure in figures:
        for name, fault in figure.faults.items():
            told.setdefault((name, fault.partition(":")[0]), []).append(figure.cell)
    first = {key: _first_fault(figures, key[0], cells[0]) for key, cells in told.items()}
    lines = [
        wrap(
            f"not timed: {name} on {len(cells)} cells: {first[name, kind]} ({cell_text(cells[0])})"
        )
        for (name, kind), cells in list(told.items())[:_FAULTS_SHOWN]
    ]
    return "\n".join(lines)


def _first_fault(figures: Sequence[Figure], name: str, cell: Cell) -> str:
    return next(f.faults[name] for f in figures if f.cell == cell)
