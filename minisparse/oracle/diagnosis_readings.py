"""Wrong ways to read a matrix: transposed, conjugated, or with loops that end too soon."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from minisparse.oracle.problem import Problem

TILES = (4, 8, 16, 32, 64, 128)
_LIMITS = (16, 32, 64, 128, 256, 512, 1024)
_SMALL = 1024


def readings(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Yield wrong ways to read a matrix, and what would then be read."""
    a, data = problem.a, problem.a.data
    if a.shape[0] == a.shape[1] and a.shape[0] > 1:
        yield "the matrix is read transposed", replace(problem, a=a._replace(row=a.col, col=a.row))
    if data.dtype.kind == "c":
        yield "complex values are conjugated", replace(problem, a=a._replace(data=np.conj(data)))
        real = data.real.astype(data.dtype)
        yield "imaginary parts of the matrix are lost", replace(problem, a=a._replace(data=real))
    if problem.b.dtype.kind == "c":
        real = problem.b.real.astype(problem.b.dtype)
        yield "imaginary parts of b are lost", replace(problem, b=real)
    if (data != 1).any() and len(data):
        ones = replace(problem, a=a._replace(data=np.ones_like(data)))
        yield "stored values are not multiplied with", ones
    yield from _lost_entries(problem)


def _lost_entries(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Yield what is left of a matrix when loops end too soon or begin too late."""
    row = problem.a.row
    count = np.bincount(row, minlength=problem.a.shape[0])
    order = np.argsort(row, kind="stable")
    slot = np.empty(len(row), int)
    slot[order] = np.arange(len(row)) - (np.cumsum(count) - count)[row[order]]
    length = count[row]
    longest = int(length.max(initial=0))
    for tile in sorted({*TILES, *_LIMITS}, reverse=True):
        if longest <= tile:
            continue
        words = f"the last partial tile of {tile} of a row's entries is lost"
        if longest < 2 * tile and (longest > tile > 8):
            words = f"only the first {tile} entries of a row count, or {words}"
        yield words, problem.with_entries(slot < length // tile * tile)
        yield words, problem.with_entries((length < tile) | (slot < length // tile * tile))
        if tile in _LIMITS:
            words = f"only the first {tile} entries of a row count"
            yield words, problem.with_entries(slot < tile)
    # Beside large numbers, any small difference looks like a term that was left out.
    if len(row) > 1 and np.abs(problem.a.data.astype(np.complex128)).max() <= _SMALL:
        pointers = "off by one in the row pointers"
        yield (
            f"the last entry of every row is lost: {pointers}",
            problem.with_entries(slot < length - 1),
        )
        yield f"the first entry of every row is lost: {pointers}", problem.with_entries(slot > 0)
