"""The process of one contender: it reads a problem, solves it, and is timed when it is asked.

Nothing of this is meant for anyone but :mod:`minisparse.bench.process`, which starts it.
"""

import time
import tracemalloc
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minisparse.bench.asking import Questions
from minisparse.bench.suite import Cell, Contender, Operands, Ready, Suite
from minisparse.bench.turns import turn
from minisparse.core.dtypes import Array


class Loaded(NamedTuple):
    """What came of giving a problem to a contender.

    Attributes
    ----------
    fault : str
        What is wrong with its result, or kept it from having one; empty if nothing is.
    note : str
        What it chose.
    prepared, first : float
        Seconds that bringing the operands into its form took, and the first call.
    scratch : int or None
        Bytes allocated at the worst moment of a call, beside the result; None: not measured.
    """

    fault: str
    note: str = ""
    prepared: float = 0.0
    first: float = 0.0
    scratch: int | None = None


class Seat:
    """A contender and the problem before it."""

    def __init__(self, suite: Suite, contender: Contender) -> None:
        self._suite, self._contender = suite, contender
        self._ready: Ready | None = None
        self._typical = 0.0

    def load(self, folder: str, cell: Cell) -> Loaded:
        """Read a problem, prepare, solve it once, and compare with the answer."""
        self._ready = None  # the last problem's memory is free for this one
        arrays = {path.stem: np.load(path) for path in Path(folder).glob("*.npy")}
        expected, tolerance = arrays.pop("expected"), float(arrays.pop("tolerance"))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch says of sparse tensors: in beta
                return self._prepare(cell, arrays, expected, tolerance)
        except Exception as error:  # noqa: BLE001 - whatever a library raises is the finding
            return Loaded(f"{type(error).__name__}: {error}"[:300])

    def _prepare(self, cell: Cell, operands: Operands, expected: Array, tolerance: float) -> Loaded:
        start = time.perf_counter()
        ready = self._contender.make(cell, operands)
        prepared = time.perf_counter() - start
        start = time.perf_counter()
        result = ready.call()
        first = self._typical = time.perf_counter() - start
        fault = fault_of(self._suite.read(result, operands), expected, tolerance)
        del result
        if not fault:
            self._ready = ready
        weighed = self._contender.weighed and not fault
        return Loaded(fault, ready.note, prepared, first, scratch_of(ready) if weighed else None)

    def turn(self) -> float:
        """Return the seconds of the fastest of a few calls, after one that warms the caches."""
        assert self._ready is not None
        self._typical = turn(self._ready.call, self._typical)
        return self._typical


def fault_of(got: Array, expected: Array, tolerance: float) -> str:
    """Return what is wrong with a result, in words; nothing if nothing is.

    Examples
    --------
    >>> fault_of(np.array([1.0, 2.1]), np.array([1.0, 2.0]), 1e-3)
    'wrong result: 1 of 2 values off, the worst by 0.05 of its size where 0.001 may be'
    """
    if got.shape != expected.shape:
        return f"wrong result: shape {got.shape} where {expected.shape} is right"
    with np.errstate(all="ignore"):
        distance = np.abs(got.astype(np.float64) - expected) / np.maximum(np.abs(expected), 1e-30)
    bad = ~(distance <= tolerance)  # so that NaN is bad
    if not bad.any():
        return ""
    worst = np.nan if np.isnan(distance).any() else distance.max()
    return (
        f"wrong result: {np.count_nonzero(bad)} of {bad.size} values off, the worst by "
        f"{worst:.2g} of its size where {tolerance:.2g} may be"
    )


def scratch_of(ready: Ready) -> int:
    """Return the bytes that a call has allocated at its worst moment, beside what it returns."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = ready.call()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return max(0, peak - _nbytes(result))


def _nbytes(result: Any) -> int:
    """Return the bytes of an array, of a sparse matrix, or of several by name."""
    if isinstance(result, dict):
        return sum(map(_nbytes, result.values()))
    return int(result.nbytes)


def serve(suite: str, contender: str) -> None:
    """Answer until there are no more questions: a problem to load, or nothing for a turn."""
    questions = Questions()
    from minisparse.bench.suites import SUITES

    chosen = SUITES[suite]
    seat = Seat(chosen, next(c for c in chosen.contenders if c.name == contender))
    for question in questions:
        questions.answer(seat.load(*question) if question else seat.turn())
