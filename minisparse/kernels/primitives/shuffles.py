"""Sums, maxima and running sums of what the lanes of a warp hold, handed on by shuffles.

A shuffle gives a lane the register of another, without memory between. In a *butterfly* each
lane exchanges with the one whose number differs in one bit, and after ``log2(lanes)`` exchanges
each has what all of them had together::

    lane      0    1    2    3
    has       a    b    c    d
    with ^2   a+c  b+d  a+c  b+d
    with ^1   abcd abcd abcd abcd

All lanes of the warp must call these functions together. After Harris, "Optimizing parallel
reduction in CUDA" (NVIDIA, 2007), and for the running sums Hillis and Steele, "Data parallel
algorithms" (CACM 29(12), 1986).
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.gpu import device_function, jit

MOST_WARPS = 32
"""Of a block: as many parts has what a whole block adds up."""


@device_function
def group_sum(value: Any, lanes: Any) -> Any:
    """Return to each lane the sum over its group of ``lanes``, a power of two up to 32."""
    total = value
    step = lanes >> np.int32(1)
    while step > 0:
        total += jit.shfl_xor_sync(jit.FULL, total, step)
        step = step >> np.int32(1)
    return total


@device_function
def group_max(value: Any, lanes: Any) -> Any:
    """Return to each lane the largest of its group; NaN only where nothing else is there."""
    largest = value
    step = lanes >> np.int32(1)
    while step > 0:
        other = jit.shfl_xor_sync(jit.FULL, largest, step)
        if other > largest or largest != largest:  # NaN gives way
            largest = other
        step = step >> np.int32(1)
    return largest


@device_function
def running_sum(value: Any) -> Any:
    """Return to each lane of a warp the sum of its own value and those of all lanes below."""
    total = value
    for k in range(5):
        below = jit.shfl_up_sync(jit.FULL, total, np.uint32(1 << k))
        if jit.laneid() >= (1 << k):
            total += below
    return total


@device_function
def block_sum(value: Any, parts: Array) -> Any:
    """Return to each thread the sum over its block.

    Parameters
    ----------
    value : number
        The thread's own.
    parts : shared array
        Of :data:`MOST_WARPS` elements, in the value's dtype.
    """
    total = group_sum(value, np.int32(jit.WARP))
    if jit.laneid() == 0:
        parts[jit.threadIdx.x // jit.WARP] = total
    jit.syncthreads()
    total = parts[0]
    for warp in range(1, jit.blockDim.x // jit.WARP):
        total += parts[warp]
    jit.syncthreads()  # parts may be written again
    return total


@device_function
def block_max(value: Any, parts: Array) -> Any:
    """Return to each thread the largest of its block; see :func:`block_sum`."""
    largest = group_max(value, np.int32(jit.WARP))
    if jit.laneid() == 0:
        parts[jit.threadIdx.x // jit.WARP] = largest
    jit.syncthreads()
    largest = parts[0]
    for warp in range(1, jit.blockDim.x // jit.WARP):
        if parts[warp] > largest or largest != largest:
            largest = parts[warp]
    jit.syncthreads()
    return largest


@device_function
def block_running_sum(value: Any, parts: Array) -> Any:
    """Return to each thread the sum of its value and those of the threads before, in its block.

    Warps sum by themselves; then the first warp makes running sums of the warps' totals.

    Parameters
    ----------
    value, parts
        As for :func:`block_sum`. The parts may be written again after another barrier.
    """
    lane = np.int32(jit.laneid())
    warp = np.int32(jit.threadIdx.x // jit.WARP)
    warps = np.int32(jit.blockDim.x // jit.WARP)
    total = running_sum(value)
    if lane == jit.WARP - 1:
        parts[warp] = total
    jit.syncthreads()
    if warp == 0:
        part = total
        if lane < warps:
            part = parts[lane]
        part = running_sum(part)
        if lane < warps:
            parts[lane] = part
    jit.syncthreads()
    if warp > 0:
        total += parts[warp - 1]
    return total
