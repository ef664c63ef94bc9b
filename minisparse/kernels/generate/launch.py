"""Launch a generated thread program through CuPy: arrays to the device, a grid, the result back."""

from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.extras import require
from minisparse.formats import Matrix
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


def names_on(cupy: Any, jit: Any, erfc: Callable[..., Any]) -> dict[str, Any]:
    """Return what a thread program may use."""
    functions = {"exp": cupy.exp, "tanh": cupy.tanh, "erfc": erfc}
    return {"np": np, "jit": jit, "__name__": "minisparse.generated", **functions}


def thread_program(nest: Nest, names: dict[str, Any]) -> FunctionType:
    """Return the thread program of a nest, to be compiled or to be run thread by thread."""
    return define(nest.name, write_gpu(nest), names)


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
    """Compute a nest on a GPU.

    Parameters
    ----------
    nest : Nest
        What is computed.
    *operands : Matrix or ndarray
        Those of the op and of its epilogue; arrays of NumPy or CuPy.

    Returns
    -------
    ndarray or Matrix
        Of CuPy where an operand is, else of NumPy.

    Raises
    ------
    MissingExtraError
        If CuPy is not installed.
    UnsupportedOpError, UsageError
        If there is no thread program for the nest, or it was made for other operands.
    """
    cupy = require("cupy", "gpu-cuda13", "the level gpu")
    return run_threads(nest, _compiled(nest), operands, cupy)


@lru_cache(maxsize=REMEMBERED)
def _compiled(nest: Nest) -> Any:
    """Return the thread program of a nest as CuPy's kernel, compiled when it first runs."""
    cupy = require("cupy", "gpu-cuda13", "the level gpu")
    jit = require("cupyx.jit", "gpu-cuda13", "the level gpu")
    erfc = require("cupyx.scipy.special", "gpu-cuda13", "the level gpu").erfc
    return jit.rawkernel()(thread_program(nest, names_on(cupy, jit, erfc)))


def run_threads(nest: Nest, kernel: Any, operands: tuple[Any, ...], xp: Any) -> Any:
    """Lay out the arguments, run ``kernel(grid, block, arguments)``, and return the result.

    Parameters
    ----------
    nest : Nest
        What is computed.
    kernel : callable
        What :func:`cupyx.jit.rawkernel` made of the thread program.
    operands : tuple
        Those of the op and of its epilogue.
    xp : module
        CuPy, which owns the memory that threads see.
    """
    at = OPS[nest.op].weight or 0
    a = operands[at]
    plain = [x for i, x in enumerate(operands) if i != at]
    _check(nest, a, plain)
    sizes = _sizes(nest, a, plain)
    stored = _arrays(nest, a)
    c = xp.zeros(_result_shape(nest, a, sizes), nest.dtype_out if owns(nest) else nest.wide)
    arrays = [xp.asarray(x) for x in (*stored, *plain)]
    opened = [np.int32(sizes[letter]) for letter, size in nest.sizes if size is None]
    along = threads_along(nest)
    rows = _turns(nest, a, sizes)
    across = 1 if along is None else sizes[along]
    if rows and across:
        grid, block = grid_of(nest, rows, across)
        kernel(grid, block, (*arrays, c, *opened))
    c = c.astype(nest.base) if not owns(nest) and nest.base != nest.wide else c
    found = c if any(type(x).__module__.startswith("cupy") for x in plain) else _host(c)
    return a.with_data(_host(c)) if isinstance(a, Matrix) and nest.expression.scale else found


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


def _host(c: Any) -> Array:
    """Return an array of NumPy."""
    found: Array = c.get() if hasattr(c, "get") else c
    return found
