"""Hash tables of a warp in shared memory: columns of a row of C, and their sums.

A column goes to the slot that its number says, or to the next free one: open addressing with linear
probing (Knuth, The Art of Computer Programming 3, 6.4). Lanes that want the same slot at once are
told apart by compare-and-swap: the first one gets it, and the others see whose it is::

    lane 0: column 5 → slot 3   free: 5 is written            slots   0  1  2  3  4  5
    lane 1: column 9 → slot 3   taken by 5: try slot 4        keys    .  .  .  5  9  .
    lane 2: column 5 → slot 3   taken by 5: that is the one   sums    .  .  .  +  +  .

Which slot a column gets depends on who comes first; so before a row is written it is sorted, by
Batcher's bitonic network ("Sorting networks and their applications", AFIPS 1968): its comparisons
are the same whatever the columns are, so that lanes share them. A slot that is free counts as more
than any column, and so free ones go to the end.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.gpu import device_function, jit

FREE = np.iinfo(np.int32).max
"""What a slot holds that is free: more than any column."""
SCALE = 107
"""Columns are multiplied by it, so that neighbors go apart (Nagasaka et al., ICPP 2017)."""

slots = 64
"""Of a warp's table: a power of two."""


@device_function
def add_alone(sums: Array, at: Any, value: Any) -> None:
    """Add where no other lane adds at the same time."""
    sums[at] += value


@device_function
def add_together(sums: Array, at: Any, value: Any) -> None:
    """Add where another lane may add at the same time."""
    jit.atomic_add(sums, at, value)


@device_function
def slot_of(keys: Array, table: Any, column: Any) -> Any:
    """Return where a column is in a table, and put it there if it is not.

    Parameters
    ----------
    keys : shared array of int32
        All tables of the block.
    table : int
        Where this one starts; it has a free slot.
    column : int32
        Less than :data:`FREE`.
    """
    at = np.int32((np.int64(column) * SCALE) & (slots - 1))
    there = jit.atomic_cas(keys, table + at, np.int32(FREE), column)
    while there != FREE and there != column:
        at = (at + np.int32(1)) & np.int32(slots - 1)
        there = jit.atomic_cas(keys, table + at, np.int32(FREE), column)
    return table + at


@device_function
def clear(keys: Array, table: Any) -> None:
    """Make all slots free; the lanes of a warp share them, and must wait afterwards."""
    for slot in range(np.int32(jit.laneid()), slots, jit.WARP):
        keys[table + slot] = np.int32(FREE)


@device_function
def sort_table(keys: Array, sums: Array, table: Any) -> None:
    """Bring a table's columns in order, with their sums: all lanes of a warp together.

    In each round, runs of ``run`` slots that ascend and descend by turns become runs of twice that
    length: each slot is compared with the one ``apart`` from it, half a run away, a quarter ….
    """
    run = np.int32(2)
    while run <= slots:
        apart = run >> np.int32(1)
        while apart > 0:
            for i in range(np.int32(jit.laneid()), slots // 2, jit.WARP):
                slot = 2 * i - (i & (apart - 1))  # i with a zero put in where ``apart`` has its bit
                low = table + slot
                high = low + apart
                ascends = (slot & run) == 0
                if (keys[low] > keys[high]) == ascends:
                    key = keys[low]
                    keys[low] = keys[high]
                    keys[high] = key
                    total = sums[low]
                    sums[low] = sums[high]
                    sums[high] = total
            jit.syncwarp()
            apart = apart >> np.int32(1)
        run = run << np.int32(1)
