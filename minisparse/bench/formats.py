"""Conversions between formats, beside SciPy's: seconds in turns, their ratio, and peak memory.

Each pair runs in turns in one process, ours and SciPy's once a round, so that whatever else the
machine does falls on both; a ratio is the median of the rounds' ratios. A first round, not counted,
warms caches and memory, and finds the facts that both libraries look up once per matrix: whether
it is sorted, whether a cell is stored twice.

Values are float32, positions are drawn uniformly: no pattern that a conversion could live on.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.extras import is_installed, require
from minisparse.formats import COO, CSR, Matrix
from minisparse.runtime import Timing, measure

LIMITS = {
    ("dense", "csr"): 0.35,
    ("coo", "csr"): 0.9,
    ("coo twice", "csr"): 1.2,
    ("csr", "csc"): 2.5,
    ("csr", "bsr"): 1.5,
    ("csr", "dense"): 1.5,
}
"""The ratios that are promised. The others are measured all the same."""
MEMORY_LIMIT = 3.0
"""Peak extra memory of a conversion over the size of its result; promised."""
_BLOCK = (4, 4)
_PEERS = ("dense", "coo", "csr", "csc", "bsr")
_MOST = 10_000_000


@dataclass(frozen=True)
class Course:
    """What to measure, and how long.

    Attributes
    ----------
    examples : tuple of tuple
        Side and density of each square matrix.
    budget : float
        Seconds for each pair, except that five rounds are measured in any case.
    """

    examples: tuple[tuple[int, float], ...]
    budget: float


QUICK = Course(((1024, 0.1), (2048, 0.01)), 0.1)
FULL = Course(
    (
        *((side, d) for side in (1024, 2048, 4096) for d in (0.5, 0.1, 0.01, 0.001)),
        *((8192, d) for d in (_MOST / 8192**2, 0.1, 0.01, 0.001)),
    ),
    0.3,
)


@dataclass(frozen=True)
class Figure:
    """What was measured of one conversion of one matrix.

    Attributes
    ----------
    source, target : str
        From what to what: a format, ``"coo sorted"``, ``"coo twice"``, ``"dense"``, or ``"T"``.
    side, density, nnz : int, float, int
        The matrix, which is square.
    ours, peer : Timing, Timing or None
        Seconds of each round; None where SciPy has no such conversion or is not installed.
    peak, result : int
        Bytes that were allocated at the worst moment, the result's among them; bytes of the result.
    """

    source: str
    target: str
    side: int
    density: float
    nnz: int
    ours: Timing
    peer: Timing | None
    peak: int
    result: int

    @property
    def ratio(self) -> float | None:
        """Our time over SciPy's: the median of the rounds' ratios; below 1 we are faster."""
        return self._ratios.median if self._ratios else None

    @property
    def _ratios(self) -> Timing | None:
        if self.peer is None:
            return None
        return Timing(
            tuple(a / b for a, b in zip(self.ours.seconds, self.peer.seconds, strict=True))
        )

    @property
    def spread(self) -> float | None:
        """Half the distance between the quartiles of the ratios, over their median."""
        return self._ratios.spread if self._ratios else None

    @property
    def limit(self) -> float | None:
        """The ratio that is promised, where one is."""
        return LIMITS.get((self.source, self.target))

    @property
    def memory(self) -> float:
        """Peak extra memory over the result's."""
        return self.peak / self.result if self.result else 0.0


@dataclass(frozen=True)
class Example:
    """One random matrix, in every format that a conversion can start from."""

    side: int
    density: float
    seed: int
    sources: dict[str, Any] = field(init=False, repr=False, default_factory=dict)

    @cached_property
    def csr(self) -> CSR:
        """The matrix itself, canonical."""
        rng = np.random.default_rng(self.seed)
        rows = range(self.side)
        # Row by row: a random number for every cell at once would take more than the matrix.
        col = [np.flatnonzero(rng.random(self.side, np.float32) < self.density) for _ in rows]
        indptr = np.concatenate(([0], np.cumsum([len(c) for c in col])))
        data = rng.uniform(1, 2, indptr[-1]).astype(np.float32)
        return CSR(data, np.concatenate(col), indptr, (self.side, self.side))

    def source(self, name: str) -> Array | Matrix:
        """Return the matrix as ``name`` says, made anew."""
        A, rng = self.csr, np.random.default_rng(self.seed)
        if name == "dense":
            return A.to_dense()
        if name == "nm":
            row, col, data, shape = A.triplets()
            kept = col % 4 < 2  # at most two of four
            return COO(data[kept], row[kept], col[kept], shape).to("nm", n=2, m=4)
        if name in ("coo", "coo twice"):
            row, col, data, shape = A.triplets()
            order = rng.permutation(A.nnz)
            if name == "coo twice":  # every fourth cell is stored twice
                order = np.concatenate((order, order[::4]))
                rng.shuffle(order)
            return COO(data[order], row[order], col[order], shape)
        found: Matrix | Array = _to(A, "coo" if name == "coo sorted" else name)
        return found


def pairs() -> Iterator[tuple[str, str]]:
    """Yield every conversion that is measured, those between the formats of SciPy first."""
    for source in _PEERS:
        for target in _PEERS:
            if source != target:
                yield source, target
    yield from (("coo sorted", "csr"), ("coo twice", "csr"), ("csr", "T"), ("nm", "csr"))


def measure_all(plan: Course, seed: int) -> list[Figure]:
    """Return a figure for every conversion of every example; one example is held at a time."""
    figures: list[Figure] = []
    for side, density in plan.examples:
        example = Example(side, density, seed)
        figures += [measure_one(example, s, t, plan.budget) for s, t in pairs()]
    return figures


def measure_one(example: Example, source: str, target: str, budget: float) -> Figure:
    """Time one conversion, beside SciPy's where there is one, and weigh it."""
    given = example.source(source)

    def ours() -> Any:
        return _to(given, target)

    contenders: dict[str, Callable[[], Any]] = {"ours": ours}
    if source != "nm" and is_installed("scipy"):
        contenders["peer"] = _peer(given, target)
    timing = measure(contenders, budget=budget)
    peak, result = weigh(ours)
    nnz = int(np.count_nonzero(given)) if isinstance(given, np.ndarray) else given.nnz
    return Figure(
        source, target, example.side, example.density, nnz, timing["ours"], timing.get("peer"),
        peak, result,
    )  # fmt: skip


def weigh(convert: Callable[[], Array | Matrix]) -> tuple[int, int]:
    """Return the bytes allocated at the worst moment of a conversion, and those of its result.

    The result counts in both, as far as its arrays are not the source's own.
    """
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = convert()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return peak, result.nbytes


def _to(A: Any, target: str) -> Any:
    """Convert by minisparse."""
    from minisparse.formats import from_dense

    layout: dict[str, Any] = {"block": _BLOCK} if target == "bsr" else {}
    if isinstance(A, np.ndarray):
        return from_dense(A, target, **layout)
    if target == "T":
        return A.T
    return A.to_dense() if target == "dense" else A.to(target, **layout)


def _peer(A: Any, target: str) -> Callable[[], Any]:
    """Return the same conversion by SciPy."""
    sparse = require("scipy.sparse", "peers", "comparing with SciPy")
    if isinstance(A, np.ndarray):
        made = getattr(sparse, f"{target}_array")
        return (lambda: made(A, blocksize=_BLOCK)) if target == "bsr" else (lambda: made(A))
    theirs = A.to_scipy()
    if target == "T":
        return lambda: theirs.T
    if target == "dense":
        return lambda: theirs.toarray()
    if target == "bsr":
        return lambda: theirs.tobsr(_BLOCK)
    convert = getattr(theirs, f"to{target}")
    return lambda: convert()
