"""Time the cells of a sample: every contender in its process, in turns, after its result is right.

A round asks each contender once; a contender's turn is the fastest of a few calls. What else the
machine does falls on all of a round, so what is compared are the ratios within rounds, and what is
told is their median.
"""

import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from minisparse.bench.asking import Lost
from minisparse.bench.process import Rival
from minisparse.bench.sampling import predict
from minisparse.bench.suite import Cell, Contender, Need, Operands, Suite
from minisparse.bench.worker import Loaded
from minisparse.runtime import Timing

LEAST_ROUNDS, MOST_ROUNDS = 3, 15
_PAUSE = 0.002
"""Seconds between turns, in which the threads of the one before fall asleep."""


class Player(Protocol):
    """What a contest asks of a contender: :class:`minisparse.bench.process.Rival`, for one."""

    def load(self, folder: str, cell: Cell) -> Loaded:
        """Read a problem, solve it once, and say whether that was right."""

    def turn(self) -> float:
        """Solve it some times more, and say how long the fastest took."""


@dataclass(frozen=True)
class Figure:
    """What was measured of one cell.

    Attributes
    ----------
    cell : Cell
        The problem.
    stored : int
        How many entries its sparse operand stores.
    loaded : mapping
        By contender, what came of its first try; a fault among it.
    times : mapping
        By contender without fault, its turns; all have as many.
    """

    cell: Cell
    stored: int
    loaded: Mapping[str, Loaded]
    times: Mapping[str, Timing]

    def ratio(self, ours: str, peers: Sequence[str]) -> float | None:
        """Return ours over the fastest peer's time, the median of rounds; None without either."""
        ratios = self.ratios(ours, peers)
        return None if ratios is None else ratios.median

    def ratios(self, ours: str, peers: Sequence[str]) -> Timing | None:
        """Return the ratio of each round."""
        there = [self.times[name].seconds for name in peers if name in self.times]
        if ours not in self.times or not there:
            return None
        fastest = [min(turns) for turns in zip(*there, strict=True)]
        return Timing(tuple(a / b for a, b in zip(self.times[ours].seconds, fastest, strict=True)))

    @property
    def faults(self) -> dict[str, str]:
        """What was wrong, by contender."""
        return {name: found.fault for name, found in self.loaded.items() if found.fault}


def missing(contenders: Iterable[Contender]) -> dict[str, str]:
    """Return which contenders cannot take part here: what they lack, and what installs that."""
    lacking = {c.name: [need for need in c.needs if need.is_missing] for c in contenders}
    return {name: _lack(needs) for name, needs in lacking.items() if needs}


def _lack(needs: Sequence[Need]) -> str:
    """Say what is not installed, with a command that installs this and nothing else."""
    packages = dict.fromkeys(f'"{n.package}"' if "[" in n.package else n.package for n in needs)
    verb = "is" if len(needs) == 1 else "are"
    names = " and ".join(need.name for need in needs)
    return f"{names} {verb} not installed: pip install {' '.join(packages)}"


@contextmanager
def seated(
    suite: Suite, contenders: Iterable[Contender], environ: Mapping[str, str]
) -> Iterator[dict[str, Rival]]:
    """Start the contenders' processes, and end them."""
    rivals = {c.name: Rival(suite.name, c.name, environ) for c in contenders}
    try:
        for rival in rivals.values():
            rival.start()
        yield rivals
    finally:
        for rival in rivals.values():
            rival.close()


def measure_cells(
    suite: Suite,
    cells: Sequence[Cell],
    players: Mapping[str, Player],
    seed: int,
    seconds: float,
    tell: Callable[[int, Cell], None] = lambda done, cell: None,
) -> list[Figure]:
    """Time cells one after another until the time is up.

    Parameters
    ----------
    suite : Suite
        Whose cells they are.
    cells : sequence of Cell
        The first is timed in any case.
    players : mapping
        From contenders' names to where to ask them; ours first.
    seed : int
        Of the operands.
    seconds : float
        No further cell is begun that would end later, as it seems from those before.
    tell : callable
        Called before each cell with how many are done, and the cell.
    """
    end = time.monotonic() + seconds
    share = min(1.0, seconds / max(len(cells), 1) / 2)
    figures: list[Figure] = []
    taken, predicted = 0.0, 0.0
    for cell in cells:
        start, expected = time.monotonic(), predict(suite, cell, list(players))
        slowness = max(1.0, taken / predicted) if predicted else 1.0
        if figures and start + slowness * expected > end:
            break
        tell(len(figures), cell)
        figures.append(measure_cell(suite, cell, players, seed, share))
        if len(figures) > 1:  # the first waits for libraries to be imported
            taken, predicted = taken + time.monotonic() - start, predicted + expected
    return figures


def measure_cell(
    suite: Suite, cell: Cell, players: Mapping[str, Player], seed: int, seconds: float
) -> Figure:
    """Let all solve one problem, and those who can, in turns for some seconds."""
    rng = np.random.default_rng([seed, zlib.crc32(repr(cell).encode())])
    operands = suite.problem(cell, rng)
    able = {c.name for c in suite.contenders if c.takes(cell)}
    with tempfile.TemporaryDirectory(prefix="minisparse_bench_") as folder:
        write_problem(Path(folder), suite, cell, operands)
        loaded = {name: p.load(folder, cell) for name, p in players.items() if name in able}
    sound = {name: players[name] for name, found in loaded.items() if not found.fault}
    taken = _rounds(sound, loaded, seconds)
    times = {name: Timing(tuple(turns)) for name, turns in taken.items()}
    return Figure(cell, len(operands["data"]) if "data" in operands else 0, loaded, times)


def write_problem(folder: Path, suite: Suite, cell: Cell, operands: Operands) -> None:
    """Write a problem and its answer to files, one for each array."""
    expected, tolerance = suite.answer(cell, operands)
    arrays = {**operands, "expected": expected, "tolerance": np.array(tolerance)}
    for name, x in arrays.items():
        np.save(folder / f"{name}.npy", x)


def _rounds(
    players: Mapping[str, Player], loaded: dict[str, Loaded], seconds: float
) -> dict[str, list[float]]:
    """Return each one's turns; who is lost on the way has none, and a fault."""
    taken: dict[str, list[float]] = {name: [] for name in players}
    begin = time.monotonic()
    for i in range(MOST_ROUNDS):
        if i >= LEAST_ROUNDS and time.monotonic() - begin > seconds:
            break
        names = list(taken)
        for name in names[i % len(names) :] + names[: i % len(names)] if names else []:
            time.sleep(_PAUSE)
            try:
                taken[name].append(players[name].turn())
            except Lost as error:
                loaded[name] = Loaded(str(error))
                del taken[name]
    return taken


def median(values: Iterable[float | None]) -> float | None:
    """Return the middle of those that there are; None of nothing."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None
