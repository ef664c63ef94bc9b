"""Running sums of any length by thread programs: the scan.

Sums of what came before tell where things go: a row's entries start where those of all rows before
it end. It looks like work for one thread, and is done by all at once (Blelloch, "Prefix sums and
their applications", CMU-CS-90-190, 1990; Harris, Sengupta and Owens, GPU Gems 3, chapter 39,
2007), a level at a time::

    x        3 1 0 2 | 1 1 4 0 | 2 ...     tiles, one for each block
    block    0 3 4 4 | 0 1 2 6 | 0 ...     running sums of each tile by itself
    tiles    6       | 6       | ...       what each holds: scanned in the same way
    before   0       | 6       | 12 ...
    y        0 3 4 4 | 6 7 8 12| 12 ...    what came before a tile is added to all of it

Within a tile the warps sum by shuffles: :mod:`minisparse.kernels.primitives.shuffles`.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.xp import namespace
from minisparse.gpu import jit, thread_program
from minisparse.kernels.primitives.launch import each
from minisparse.kernels.primitives.shuffles import MOST_WARPS, block_running_sum

number: type[np.signedinteger[Any]] = np.int32
"""In which it is summed; bound for each launch."""


@thread_program
def scan_tiles(x: Array, y: Array, sums: Array, tiles: Any, count: Any) -> None:
    """Write to ``y`` the sum of what comes before each element in its tile; to ``sums`` of all.

    A block takes one tile after another, a thread one element of it.
    """
    size = np.int32(jit.blockDim.x)
    parts = jit.shared_memory(number, MOST_WARPS)
    for tile in range(np.int32(jit.blockIdx.x), tiles, np.int32(jit.gridDim.x)):
        i = tile * size + np.int32(jit.threadIdx.x)
        value = number(0)
        if i < count:
            value = number(x[i])
        total = block_running_sum(value, parts)
        if i < count:
            y[i] = total - value
        if jit.threadIdx.x == size - 1:
            sums[tile] = total
        jit.syncthreads()  # the parts are written again for the next tile


@thread_program
def add_tiles(y: Array, before: Array, count: Any) -> None:
    """Add to each element what came before its tile: a thread for each."""
    step = np.int32(jit.gridDim.x * jit.blockDim.x)
    for i in range(np.int32(jit.grid(1)), count, step):
        y[i] += before[i // np.int32(jit.blockDim.x)]


def exclusive_scan(x: Array, dtype: DType) -> Array:
    """Return the sums of what comes before each element, and of all: ``indptr`` of lengths.

    Parameters
    ----------
    x : ndarray of int or bool, shape (n,)
        What to sum.
    dtype : numpy.dtype
        int32 or int64, in which the whole sum must fit.

    Returns
    -------
    ndarray, shape (n + 1,)
        On the device of ``x``.

    Examples
    --------
    >>> exclusive_scan(np.array([2, 0, 1]), np.dtype("int32"))
    array([0, 2, 2, 3], dtype=int32)
    """
    xp, count = namespace(x), len(x)
    y: Array = xp.zeros(count + 1, dtype)
    if not count:
        return y
    grid, block, length = each(count)
    tiles = -(-count // block[0])
    sums = xp.empty(tiles, dtype)
    scan = scan_tiles.bind(number=dtype.type)
    scan(grid, block, (x, y, sums, length.dtype.type(tiles), length))
    if tiles == 1:
        y[count:] = sums
        return y
    before = exclusive_scan(sums, dtype)
    add_tiles(grid, block, (y, before, length))
    y[count:] = before[tiles:]
    return y
