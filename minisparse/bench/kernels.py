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
from minisparse.core.errors import UsageError

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
    """
    begin = time.monotonic()
    asked = _asked(suite, wanted.peers)
    lacking = missing(asked)
    there = [c for c in asked if c.name not in lacking]
    cells = [cell for cell in suite.cells() if wanted.wants(cell)]
    if not cells:
        raise UsageError(f"suite {suite.name} has no such cells; {_values(suite)}")
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


def _asked(suite: Suite, peers: Sequence[str]) -> list[Contender]:
    """Return ours and the peers that were named; all if none was."""
    names = [c.name for c in suite.contenders]
    unknown = set(peers) - set(names)
    if unknown:
        raise UsageError(
            f"suite {suite.name} has no contender {', '.join(sorted(unknown))}; it has: "
            f"{', '.join(names[1:])}"
        )
    return [c for c in suite.contenders if c is suite.ours or not peers or c.name in peers]


def _values(suite: Suite) -> str:
    """Say what cells a suite has."""
    cells = suite.cells()
    factors: dict[str, Sequence[object]] = {
        "patterns": [c.pattern for c in cells],
        "densities": [c.density for c in cells],
        "columns": [c.columns for c in cells],
        "dtypes": [c.dtype for c in cells],
    }
    return "; ".join(
        f"{name}: {', '.join(map(str, dict.fromkeys(found)))}" for name, found in factors.items()
    )


def _settings(wanted: Wanted) -> dict[str, object]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(wanted).items()}


def tell_on_screen(line: str) -> None:
    """Show what is done at the moment in one line that the next overwrites; not in a file."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line[:79]:79}" if line else f"\r{'':79}\r")
        sys.stderr.flush()
