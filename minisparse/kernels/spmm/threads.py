"""What the thread programs of all products share: which types they take, and how large blocks are.

Rows, columns and elements of a tile are counted in 32 bits, which a GPU is fast at; slots of stored
entries in the matrix's own index type, as there may be more than 2**31 of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.kernels.kernel import Finish
from minisparse.kernels.registers import DTYPES, Registers, in_registers

THREADS = 128
"""Threads of a block: four warps. Enough blocks of that size fit a multiprocessor to fill it."""
MOST_ALONG_Y = 65535
"""Blocks that a grid may have along its second axis."""


def why_not(types: Sequence[TensorType]) -> str:
    """Return why threads cannot multiply operands of these types, or nothing if they can.

    Examples
    --------
    >>> why_not([TensorType((3, 4), np.dtype("complex64"))])
    'threads do not compute with complex64'
    """
    odd = sorted({t.dtype.name for t in types} - set(DTYPES))
    if odd:
        return f"threads do not compute with {', '.join(odd)}"
    longest = max((dim for t in types for dim in t.shape if isinstance(dim, int)), default=0)
    if longest > np.iinfo(np.int32).max:
        return f"threads count rows and columns in 32 bits, and there are {longest}"
    return ""


def in_blocks(items: int, size: int) -> int:
    """Return how many blocks of some size hold all items."""
    return -(-items // size)


def fitting(items: int, most: int) -> int:
    """Return the power of two that holds all items, at least 1 and at most ``most``.

    Examples
    --------
    >>> [fitting(items, 32) for items in (0, 1, 3, 32, 300)]
    [1, 1, 4, 32, 32]
    """
    return min(1 << max(items - 1, 0).bit_length(), most)


def new_result(a: Any, b: Array, shape: tuple[int, ...], out: Array | None) -> Array:
    """Return where a product goes: ``out``, or an array where b is that is not initialized."""
    found: Array = (
        namespace(b).empty(shape, np.result_type(a.dtype, b.dtype)) if out is None else out
    )
    return found


def own_elements(c: Array, finish: Finish | None, launch: Callable[[Registers], None]) -> Array:
    """Return ``c`` as threads compute it that own its elements, finished in registers.

    Parameters
    ----------
    c : ndarray
        Where the result goes. Nothing is launched where it has no elements.
    finish : Finish or None
        The epilogue.
    launch : callable
        Starts the threads.
    """
    if c.size:
        own = in_registers(finish, c)
        launch(own)
        own.afterwards(c)
    return c


def add_elements(c: Array, launch: Callable[[Array, Any, Any], None]) -> Array:
    """Return ``c`` as threads compute it that meet in its elements, and so add atomically.

    Sums are added apart from ``c`` where they are wider, or where ``c`` does not lie in C order.
    GPUs add no int64 atomically, but uint64, which gives the same bits.

    Parameters
    ----------
    c : ndarray
        Where the result goes.
    launch : callable
        ``launch(sums, wide, summed)`` starts threads that add to ``sums``, zeros of the type
        ``summed``, what they multiplied in the type ``wide``.
    """
    real = accumulator(c.dtype)
    inside = real == c.dtype and c.flags.c_contiguous
    sums = c if inside else namespace(c).empty(c.shape, real)
    sums[...] = 0
    if c.size and real == np.int64:
        launch(sums.view(np.uint64), np.int64, np.uint64)
    elif c.size:
        launch(sums, real.type, real.type)
    if not inside:
        c[...] = sums
    return c
