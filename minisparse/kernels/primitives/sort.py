"""A stable sort of whole numbers by thread programs, a digit at a time: the radix sort.

Keys are brought in order by their lowest digit, then by the next, and so on; since equal digits
keep their order, what was sorted before stays so (Knuth, The Art of Computer Programming 3, 5.2.5).
For each digit (Merrill and Grimshaw, "High performance and scalable radix sorting", Parallel
Processing Letters 21(2), 2011)::

    keys     31 12 30 | 11 32 10         tiles, one for each block
    digits    1  2  0 |  1  2  0         the lowest
    counts   1 1 | 1 1 | 1 1             zeros in each tile, ones in each tile, twos in each tile
    starts   0 1 | 2 3 | 4 5             the scan of the counts: where each tile's digits go
    keys     30 10 31 11 12 32

A key goes to the start of its tile's digits, further by how many of the tile before it have the
same digit. That many are counted first in the warps before, then among the lanes before.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.index import index_dtype
from minisparse.core.xp import namespace
from minisparse.gpu import device_function, jit, thread_program
from minisparse.kernels.primitives.launch import THREADS, each
from minisparse.kernels.primitives.scan import exclusive_scan

BITS = 4
"""Of a digit."""
DIGITS = 1 << BITS
WARPS = THREADS // jit.WARP
"""Of a block at most; as many keys as it has threads are a tile."""


@device_function
def digit_of(key: Any, shift: Any) -> Any:
    """Return the digit that starts at bit ``shift``."""
    return np.int32((key >> shift) & (DIGITS - 1))


@thread_program
def count_digits(keys: Array, counts: Array, shift: Any, tiles: Any, count: Any) -> None:
    """Write how many keys of each tile have which digit, to ``counts[digit * tiles + tile]``.

    A block takes one tile after another, a thread one key of it.
    """
    found = jit.shared_memory(np.int32, DIGITS)
    t = np.int32(jit.threadIdx.x)
    size = np.int32(jit.blockDim.x)
    for tile in range(np.int32(jit.blockIdx.x), tiles, np.int32(jit.gridDim.x)):
        if t < DIGITS:
            found[t] = np.int32(0)
        jit.syncthreads()
        p = tile * size + t
        if p < count:
            jit.atomic_add(found, digit_of(keys[p], shift), 1)
        jit.syncthreads()
        if t < DIGITS:
            counts[t * tiles + tile] = found[t]


@thread_program
def scatter_by_digit(
    keys: Array,
    slots: Array,
    starts: Array,
    sorted_keys: Array,
    sorted_slots: Array,
    shift: Any,
    tiles: Any,
    count: Any,
) -> None:
    """Write keys and slots in the order of one digit, equal digits in the order they had.

    A block takes one tile after another, a thread one key of it.
    """
    digits = jit.shared_memory(np.int32, THREADS)
    before = jit.shared_memory(np.int32, WARPS * DIGITS)
    t = np.int32(jit.threadIdx.x)
    size = np.int32(jit.blockDim.x)
    warp = t // np.int32(jit.WARP)
    for tile in range(np.int32(jit.blockIdx.x), tiles, np.int32(jit.gridDim.x)):
        for i in range(t, WARPS * DIGITS, size):
            before[i] = np.int32(0)
        jit.syncthreads()
        p = tile * size + t
        digits[t] = np.int32(DIGITS)  # of no key
        if p < count:
            digits[t] = digit_of(keys[p], shift)
            jit.atomic_add(before, warp * DIGITS + digits[t], 1)
        jit.syncthreads()
        if t < DIGITS:  # from how many in each warp to how many in the warps before
            total = np.int32(0)
            for w in range(WARPS):
                here = before[w * DIGITS + t]
                before[w * DIGITS + t] = total
                total += here
        jit.syncthreads()
        if p < count:
            digit = digits[t]
            place = starts[digit * tiles + tile] + before[warp * DIGITS + digit]
            for other in range(warp * np.int32(jit.WARP), t):
                if digits[other] == digit:
                    place += np.int32(1)
            sorted_keys[place] = keys[p]
            sorted_slots[place] = slots[p]
        jit.syncthreads()  # before the next tile's digits are written


def sorted_keys(keys: Array, bound: int) -> tuple[Array, Array]:
    """Return keys in order and the slots they came from; equal keys by slot.

    :func:`minisparse.formats.ordering.sorted_keys` by threads.

    Parameters
    ----------
    keys : ndarray of int, shape (n,)
        ``0 <= keys < bound``.
    bound : int
        Tells how many digits a key has.

    Returns
    -------
    keys, order : ndarray of int, shape (n,)
        Sorted, and so that they are the argument's ``keys[order]``.

    Examples
    --------
    >>> sorted_keys(np.array([7, 3, 7, 1]), 8)
    (array([1, 3, 7, 7]), array([3, 1, 0, 2], dtype=int32))
    """
    xp, count = namespace(keys), len(keys)
    slots = xp.arange(count, dtype=index_dtype((count,), 0))
    if count < 2:
        return keys, slots
    grid, block, length = each(count)
    tiles = -(-count // block[0])
    sizes = (length.dtype.type(tiles), length)
    counts = xp.empty(DIGITS * tiles, np.int32)
    for shift in range(0, max(bound - 1, 0).bit_length(), BITS):
        count_digits(grid, block, (keys, counts, np.int32(shift), *sizes))
        starts = exclusive_scan(counts, slots.dtype)
        after = xp.empty_like(keys), xp.empty_like(slots)
        scatter_by_digit(grid, block, (keys, slots, starts, *after, np.int32(shift), *sizes))
        keys, slots = after
    return keys, slots


def cell_order(major: Array, minor: Array, sizes: tuple[int, int]) -> Array:
    """Return the stable order by major, then minor line.

    By the minor line first: what has the same major line stays in that order.

    Parameters
    ----------
    major, minor : ndarray of int, shape (n,)
        Coordinates.
    sizes : tuple of int
        Numbers of major and minor lines.

    Examples
    --------
    >>> cell_order(np.array([1, 0, 1]), np.array([0, 5, 0]), (2, 6)).tolist()
    [1, 0, 2]
    """
    _, by_minor = sorted_keys(minor, sizes[1])
    _, by_major = sorted_keys(major[by_minor], sizes[0])
    order: Array = by_minor[by_major]
    return order
