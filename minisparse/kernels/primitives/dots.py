"""Dots of gathered rows: each lane of a warp has a pair of rows, and gets their dot.

A lane that reads along its own two rows does so far from what its neighbors read. So where rows are
not short, a group of lanes works together on the pair of one of them, then on that of the next::

    lane    0  1  2  3 | 4  5  6  7        lanes = 4
    pair    a  b  c  d | e  f  g  h
    turn 0  a0 a1 a2 a3| e0 e1 e2 e3       four terms of a at once: neighbors in memory;
            a4 a5 …    | e4 e5 …           then the four sums are added: the dot of a is lane 0's
    turn 1  b0 b1 b2 b3| f0 f1 f2 f3       and that of b lane 1's

Gale, Zaharia, Young and Elsen, "Sparse GPU kernels for deep learning" (SC 2020, section 5.4) share
a dot between the lanes of a part of a warp in this way.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.gpu import device_function, jit
from minisparse.kernels.primitives.shuffles import group_sum

SHORT, LONG = 16, 256
"""Terms from which 8 lanes share a dot, and from which a whole warp does: 8 elements are what a
card reads of one place at once, 32 bytes of float32."""

wide: Any = np.float32
lanes = 8


def lanes_for(depth: int) -> int:
    """Return how many lanes share a dot of so many terms.

    Examples
    --------
    >>> [lanes_for(depth) for depth in (3, 64, 1000)]
    [1, 8, 32]
    """
    return 1 if depth < SHORT else 8 if depth < LONG else jit.WARP


@device_function
def dot_of_rows(x: Array, m: Any, y: Array, n: Any) -> Any:
    """Return ``x[m] . y[n]`` for the rows ``m`` and ``n`` of each lane, summed in ``wide``.

    All lanes of the warp must call it together.

    Parameters
    ----------
    x, y : ndarray, shape (M, D), (N, D)
        Rows that meet.
    m, n : int
        Which rows; they exist.
    """
    found = wide(0)
    if lanes == 1:
        for d in range(x.shape[1]):
            found += wide(x[m, d]) * wide(y[n, d])
    else:
        own = np.int32(jit.laneid()) % lanes
        for turn in range(lanes):
            left = jit.shfl_sync(jit.FULL, m, turn, width=lanes)
            right = jit.shfl_sync(jit.FULL, n, turn, width=lanes)
            part = wide(0)
            for d in range(own, x.shape[1], lanes):
                part += wide(x[left, d]) * wide(y[right, d])
            part = group_sum(part, np.int32(lanes))
            if own == turn:
                found = part
    return found
