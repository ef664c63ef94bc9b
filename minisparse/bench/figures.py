"""Measure a machine's own figures: what NumPy multiplies, moves, gathers and calls in a second."""

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.cost import Machine, MemoryLevel
from minisparse.cost.host import identity, instructions

PEAK = 1024
"""Rows and columns of the product whose rate counts as the machine's peak."""
SOME = 1 << 14
"""Elements that stay in the nearest caches."""
LINE = 32
"""Elements of a row that is gathered."""
FARTHEST = 1 << 27
"""Bytes of what is taken to lie in memory, at most."""
USUAL = {1: 32 << 10, 2: 1 << 20, 3: 16 << 20}
"""Sizes of caches where the system does not tell them."""
LARGEST_L3 = 32 << 20
"""What one process finds in a last cache at most: it shares it with others."""


def measure_machine(name: str = "cpu", slowness: float = 1.0) -> Machine:
    """Return the machine at hand with the figures that are measured in some seconds.

    Parameters
    ----------
    name : str
        What to call it.
    slowness : float
        1 takes three seconds or so; less takes as much less, and tells it less surely.
    """
    told = identity()
    rates = dict(_products(0.25 * slowness))
    return Machine(
        name=name,
        source=f"calibrated on {told['cpu']}, NumPy {told['numpy']}, {told['blas']}, "
        f"{told['threads']} thread(s)",
        matmul={dtype: rate for dtype, rate in rates.items() if dtype != "int32"},
        other_matmul=rates["int32"],
        elementwise=_elementwise(0.1 * slowness),
        memory=tuple(_levels(0.1 * slowness)),
        call=_call(0.05 * slowness),
        step=_step(0.05 * slowness),
        cores=os.cpu_count() or 1,
        instructions=instructions(),
        sources=dict.fromkeys(
            ("matmul", "other_matmul", "elementwise", "memory", "call", "step"), "measured"
        ),
        identity=told,
    )


def fastest(call: Callable[[], Any], seconds: float, least: int = 3) -> float:
    """Return the fastest of the calls that fit into some seconds, after one that warms up."""
    call()
    best, end, count = math.inf, time.perf_counter() + seconds, 0
    while count < least or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best, count = min(best, time.perf_counter() - start), count + 1
    return best


def _products(seconds: float) -> Iterator[tuple[str, float]]:
    """Yield the rate of a large product in each dtype; of integers, a smaller one."""
    for dtype in ("float32", "float64", "complex64", "complex128", "int32"):
        n = PEAK if dtype.startswith("float") else PEAK // 4
        a, b = np.ones((n, n), dtype), np.ones((n, n), dtype)
        out = np.empty((n, n), dtype)
        yield dtype, 2.0 * n**3 / fastest(lambda: np.matmul(a, b, out=out), seconds)  # noqa: B023


def _elementwise(seconds: float) -> float:
    x, y, out = (np.ones(SOME, np.float32) for _ in range(3))
    return SOME / fastest(lambda: np.multiply(x, y, out=out), seconds)


def _call(seconds: float) -> float:
    x, out = np.ones(1, np.float32), np.ones(1, np.float32)
    return fastest(lambda: np.add(x, x, out=out), seconds, 100)


def _step(seconds: float) -> float:
    x, y = np.ones(100, np.float32), np.ones(100, np.float32)

    def loop() -> None:
        for i in range(100):
            y[0] += x[i] * x[i]

    return fastest(loop, seconds) / 100


def _levels(seconds: float) -> Iterator[MemoryLevel]:
    """Yield each cache with what moves between it and the arithmetic, then the memory."""
    sizes = cache_sizes()
    for number, size in sorted(sizes.items()):
        yield _level(f"L{number}", float(size), size // 2, seconds)
    behind = min(FARTHEST, 4 * max(sizes.values()))
    yield _level("memory", math.inf, behind, 3 * seconds)


def _level(name: str, size: float, used: int, seconds: float) -> MemoryLevel:
    """Return a level, measured by what takes so many bytes."""
    x = np.ones(used // 8, np.float32)
    out = np.empty_like(x)
    moved = 2 * x.nbytes / fastest(lambda: np.copyto(out, x), seconds)
    lines = np.ones((max(used // (4 * LINE), 1), LINE), np.float32)
    some = min(len(lines), 1 << 12)
    where = np.random.default_rng(0).integers(0, len(lines), some)
    room = np.empty((some, LINE), np.float32)
    gathered = room.size / fastest(lambda: _take(lines, where, room), seconds)
    return MemoryLevel(name, size, moved, gathered)


def _take(lines: Array, where: Array, room: Array) -> None:
    # The indices are valid; "clip" only spares take the copy it would make to be safe.
    lines.take(where, 0, room, "clip")


def cache_sizes() -> dict[int, int]:
    """Return the bytes of each level of data cache: as Linux tells them, or usual ones.

    Examples
    --------
    >>> sorted(cache_sizes())[:2]
    [1, 2]
    """
    found = dict(_told_sizes())
    sizes = {level: found.get(level, usual) for level, usual in USUAL.items()}
    sizes[3] = min(sizes[3], LARGEST_L3)
    return {level: size for level, size in sizes.items() if size > sizes.get(level - 1, 0)}


def _told_sizes() -> Iterator[tuple[int, int]]:
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind = (folder / "type").read_text().strip()
            level = int((folder / "level").read_text())
            size = (folder / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
        if kind != "Instruction" and size[:-1].isdecimal() and size[-1] in units:
            yield level, int(size[:-1]) * units[size[-1]]
