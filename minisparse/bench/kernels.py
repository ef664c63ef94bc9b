"""``minisparse bench kernels`` and ``bench models``: from what is wanted to results."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from minisparse.bench.contest import measure_cells, missing, seated
from minisparse.bench.kernels_report import Results, cell_text
from minisparse.bench.process import environment
from minisparse.bench.sampling import draw
from minisparse.bench.suite import Cell, Contender, Suite
from minisparse.core.errors import MissingExtraError, UsageError

FULL, QUICK = 600.0, 60.0
"""Seconds that a run takes unless told otherwise."""
_RESERVE = 0.92
"""Part of the budget for cells; the rest starts processes and ends the last cell."""


@dataclass(frozen=True)
class Wanted:
    """What of a suite to time; an empty tuple stands for all.

    Attributes
    ----------
    patterns, densities, columns, dtypes : tuple
        Values of cells.
    peers : tuple of str
        Contenders beside ours.
    seconds : float
        For each suite.
    seed, threads : int
        Of sample and operands; of each contender.
    """

    patterns: tuple[str, ...] = ()
    densities: tuple[float, ...] = ()
    columns: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    seconds: float = FULL
    seed: int = 0
    threads: int = 1

    def wants(self, cell: Cell) -> bool:
        """Tell whether a cell is one of those that were asked for."""
        return (
            (not self.patterns or cell.pattern in self.patterns)
            and (not self.densities or cell.density in self.densities)
            and (not self.columns or cell.columns in self.columns)
            and (not self.dtypes or cell.dtype in self.dtypes)
        )


def run_suite(
    suite: Suite, wanted: Wanted, tell: Callable[[str], None] = lambda line: None
) -> Results:
    """Draw a sample of what is wanted, and time it.

    Parameters
    ----------
    suite : Suite
        What to run.
    wanted : Wanted
        What of it, and how long.
    tell : callable
        Called with a line before each cell.

    Raises
    ------
    UsageError
        If nothing of the suite is wanted, or nothing fits into the time.
    MissingExtraError
        If a peer that was named is not installed.
    """
    begin = time.monotonic()
    check_wanted(suite, wanted)
    asked = _asked(suite, wanted.peers)
    lacking = missing(asked)
    there = [c for c in asked if c.name not in lacking]
    cells = [cell for cell in suite.cells() if wanted.wants(cell)]
    seconds = wanted.seconds * _RESERVE
    sample = draw(suite, cells, [c.name for c in there], seconds, wanted.seed)
    if not sample.cells:
        raise UsageError(
            f"no cell of suite {suite.name} fits into {wanted.seconds:g} s: raise --budget"
        )

    def progress(done: int, cell: Cell) -> None:
        tell(f"{suite.name} {done + 1}/{len(sample.cells)}: {cell_text(cell)}")

    with seated(suite, there, environment(wanted.threads)) as rivals:
        left = begin + seconds - time.monotonic()
        figures = measure_cells(suite, sample.cells, rivals, wanted.seed, left, progress)
    return Results(suite, sample, figures, lacking, _settings(wanted))


def check_wanted(suite: Suite, wanted: Wanted) -> None:
    """Raise what a suite cannot give, before anything is timed.

    Raises
    ------
    UsageError
        If the suite has no such contender, no such value, or no cell of all of them.
    MissingExtraError
        If a peer that was named is not installed.
    """
    named = [c for c in _asked(suite, wanted.peers) if c.name in wanted.peers]
    for name, lack in missing(named).items():
        raise MissingExtraError(f"--peer {name}: {lack}")
    cells = suite.cells()
    asked = (
        ("--pattern", "patterns", wanted.patterns, [c.pattern for c in cells]),
        ("--density", "densities", wanted.densities, [c.density for c in cells]),
        ("--columns", "columns", wanted.columns, [c.columns for c in cells]),
        ("--dtype", "dtypes", wanted.dtypes, [c.dtype for c in cells]),
    )
    for option, what, values, found in asked:
        for value in values:
            if value not in found:
                there = ", ".join(map(str, dict.fromkeys(found)))
                raise UsageError(f"{option} {_word(value)}: {what} of suite {suite.name}: {there}")
    if not any(map(wanted.wants, cells)):
        told = " ".join(f"{option} {value}" for option, _, given, _ in asked for value in given)
        raise UsageError(f"{told}: suite {suite.name} has each of these, but no cell of all")


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _asked(suite: Suite, peers: Sequence[str]) -> list[Contender]:
    """Return ours and the peers that were named; all if none was."""
    names = [c.name for c in suite.contenders]
    unknown = set(peers) - set(names)
    if unknown:
        raise UsageError(
            f"--peer {min(unknown)}: contenders of suite {suite.name}: {', '.join(names[1:])}"
        )
    return [c for c in suite.contenders if c is suite.ours or not peers or c.name in peers]


def _settings(wanted: Wanted) -> dict[str, object]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(wanted).items()}


def tell_on_screen(line: str) -> None:
    """Show what is done at the moment in one line that the next overwrites; not in a file."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line[:79]:79}" if line else f"\r{'':79}\r")
        sys.stderr.flush()
