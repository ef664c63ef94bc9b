"""Find a number among ascending ones, each thread by itself: binary search.

Which row an entry of CSR belongs to, or where the entries of a row begin in sorted COO, is found
in ``log2`` steps, in place of an array that says it. Neighboring threads look for neighboring
numbers, so that their first steps read the same few elements.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.xp import namespace
from minisparse.gpu import device_function, jit, thread_program
from minisparse.kernels.primitives.launch import each


@device_function
def count_below(ascending: Array, key: Any) -> Any:
    """Return how many of some ascending numbers are less than ``key``.

    Examples
    --------
    >>> count_below(np.array([0, 2, 2, 5]), 2)
    1
    """
    low = np.int64(0)
    high = np.int64(len(ascending))
    while low < high:
        middle = (low + high) >> np.int64(1)
        if ascending[middle] < key:
            low = middle + np.int64(1)
        else:
            high = middle
    return low


@device_function
def line_of(indptr: Array, p: Any) -> Any:
    """Return in which line slot p lies, given where lines start: empty lines hold none.

    Examples
    --------
    >>> line_of(np.array([0, 2, 2, 5]), 2)
    2
    """
    return count_below(indptr, p + 1) - np.int64(1)


@thread_program
def write_lines(indptr: Array, lines: Array, count: Any) -> None:
    """Write for every slot in which line it lies: a thread for each slot."""
    step = np.int32(jit.gridDim.x * jit.blockDim.x)
    for p in range(np.int32(jit.grid(1)), count, step):
        lines[p] = line_of(indptr, p)


@thread_program
def write_starts(lines: Array, starts: Array, count: Any) -> None:
    """Write where each line starts among ascending line numbers: a thread for each line."""
    step = np.int32(jit.gridDim.x * jit.blockDim.x)
    for line in range(np.int32(jit.grid(1)), count, step):
        starts[line] = count_below(lines, line)


def lines_of_slots(indptr: Array, count: int) -> Array:
    """Return the line of every slot: :func:`minisparse.formats.compressed.expand` by threads.

    Parameters
    ----------
    indptr : ndarray of int, shape (M + 1,)
        Where lines start.
    count : int
        Number of slots: the last pointer.

    Examples
    --------
    >>> lines_of_slots(np.array([0, 2, 2, 3]), 3)
    array([0, 0, 2])
    """
    lines: Array = namespace(indptr).empty(count, indptr.dtype)
    if count:
        grid, block, length = each(count)
        write_lines(grid, block, (indptr, lines, length))
    return lines


def starts_of_lines(lines: Array, count: int) -> Array:
    """Return where each of so many lines starts among ascending line numbers, and where all end.

    :func:`minisparse.formats.ordering.starts_of_lines` by threads.

    Examples
    --------
    >>> starts_of_lines(np.array([0, 0, 2]), 3)
    array([0, 2, 2, 3])
    """
    starts: Array = namespace(lines).empty(count + 1, np.int64)
    grid, block, length = each(count + 1)
    write_starts(grid, block, (lines, starts, length))
    return starts
