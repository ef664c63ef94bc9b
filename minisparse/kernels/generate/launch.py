"""Launch a generated thread program where its arrays lie: a grid, arguments, the result."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.xp import namespace
from minisparse.formats import Matrix
from minisparse.gpu import ThreadProgram, jit
from minisparse.gpu import thread_program as as_program
from minisparse.kernels.generate.gpu import ARRAYS, owns, threads_along, write_gpu
from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.generate.written import REMEMBERED, define, expect
from minisparse.ops import OPS

ACROSS = 32
"""Threads of a block along the letter that lies across them: a warp."""
ROWS = 8
"""Rows, or entries, of a block beside."""
THREADS = 256
"""Threads of a block where no letter lies across."""
MOST_BLOCKS = 65535
"""Blocks along the second axis of a grid at most; with more rows, threads take several."""


class Launch(NamedTuple):
    """What a thread program is given.

    Attributes
    ----------
    grid, block : tuple of int
        Blocks, and threads of a block, by axis; no blocks where there is nothing to do.
    arguments : tuple
        Arrays, and the lengths that are open.
    c : ndarray
        The one of them that is written.
    """

    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[Any, ...]
    c: Array


@lru_cache(maxsize=REMEMBERED)
def thread_program(nest: Nest) -> ThreadProgram:
    """Return the thread program of a nest.

    Raises
    ------
    UnsupportedOpError
        If there is none.
    """
    names = {"np": np, "jit": jit, "__name__": "minisparse.generated"}
    return as_program(define(nest.name, write_gpu(nest), names))


def grid_of(nest: Nest, rows: int, across: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the numbers of blocks and of threads in a block, by axis.

    Parameters
    ----------
    nest : Nest
        What is computed.
    rows : int
        Turns of the outermost loop.
    across : int
        Length of the letter that lies across threads, if any.
    """
    if threads_along(nest) is None:
        return (min(-(-rows // THREADS), MOST_BLOCKS),), (THREADS,)
    return (-(-across // ACROSS), min(-(-rows // ROWS), MOST_BLOCKS)), (ACROSS, ROWS)


def launch(nest: Nest, *operands: Any) -> Any:
    """Compute a nest by its thread program, on the card where its operands lie or simulated.

    Parameters
    ----------
    nest : Nest
        What is computed.
    *operands : Matrix or ndarray
        Those of the op and of its epilogue, all of NumPy or all of CuPy.

    Returns
    -------
    ndarray or Matrix
        Where the operands lie.

    Raises
    ------
    UnsupportedOpError, UsageError
        If there is no thread program for the nest, or it was made for other operands.
    """
    given = lay_out(nest, operands)
    if all(given.grid):
        thread_program(nest)(given.grid, given.block, given.arguments)
    return result_of(nest, operands, given.c)


def lay_out(nest: Nest, operands: tuple[Any, ...]) -> Launch:
    """Return what the thread program of a nest is to be given.

    Raises
    ------
    UsageError
        If it was made for other operands.
    """
    at = OPS[nest.op].weight or 0
    a = operands[at]
    plain = [x for i, x in enumerate(operands) if i != at]
    _check(nest, a, plain)
    sizes = _sizes(nest, a, plain)
    xp = namespace(*plain)
    c = xp.zeros(_result_shape(nest, a, sizes), nest.dtype_out if owns(nest) else nest.wide)
    opened = [np.int32(sizes[letter]) for letter, size in nest.sizes if size is None]
    along = threads_along(nest)
    grid, block = grid_of(nest, _turns(nest, a, sizes), 1 if along is None else sizes[along])
    return Launch(grid, block, (*_arrays(nest, a), *plain, c, *opened), c)


def result_of(nest: Nest, operands: tuple[Any, ...], c: Array) -> Any:
    """Return the op's result from what threads have written."""
    a = operands[OPS[nest.op].weight or 0]
    if not owns(nest) and nest.base != nest.wide:
        c = c.astype(nest.base)
    return a.with_data(c) if isinstance(a, Matrix) and nest.expression.scale else c


def _check(nest: Nest, a: Any, plain: list[Any]) -> None:
    shape = tuple(nest.size(letter) for letter in nest.expression.stored.letters)
    expect(a, nest.layout.format, shape, nest.dtype.name, nest.layout.block)
    for operand, x in zip((*nest.operands, *nest.beside), plain, strict=True):
        expect(x, "dense", operand.shape, operand.dtype.name)


def _sizes(nest: Nest, a: Any, plain: list[Any]) -> dict[str, int]:
    """Return the length of every letter, as the operands tell."""
    references = (nest.expression.stored, *nest.expression.plain)
    found: dict[str, int] = {}
    for reference, x in zip(references, (a, *plain), strict=False):
        found |= dict(zip(reference.letters, x.shape, strict=True))
    return found


def _arrays(nest: Nest, a: Any) -> list[Array]:
    if nest.layout.format == "dense":
        return [a]
    return [a.arrays[name] for name in ARRAYS[nest.layout.format]]


def _result_shape(nest: Nest, a: Any, sizes: dict[str, int]) -> tuple[int, ...]:
    if nest.expression.scale is not None:
        return tuple(a.data.shape) if isinstance(a, Matrix) else tuple(a.shape)
    return tuple(sizes[letter] for letter in nest.expression.result.letters)


def _turns(nest: Nest, a: Any, sizes: dict[str, int]) -> int:
    """Return how many turns the outermost loop has."""
    first = nest.levels[0]
    if first.kind == "listed":
        return len(a.data)
    size = sizes[nest.expression.stored.letters[first.axis]]
    return -(-size // nest.block[first.axis]) if first.blocked else size
