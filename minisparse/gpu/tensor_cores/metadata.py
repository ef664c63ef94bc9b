"""Metadata of a 2:4 operand: where in its group of four each of the two kept values stood.

Two bits a value, the first value lowest: four bits a group, so that 16 columns of a row are half a
word of 32 bits. One ``mma.sp`` of 16 x 32 needs 16 words, and a warp has a word in each of its 32
lanes: the instruction names by its *selector* who supplies them, lanes ``t = 0, 1`` of every group
of four or lanes ``t = 2, 3``. So one load of a word serves two tiles, one above the other, and that
is how they are packed here: 32 rows by 32 columns, a word for each lane.

With ``g = lane // 4`` and ``t = lane % 4``, the word of a lane describes rows ``g`` (low half) and
``g + 8`` (high half) of tile ``t // 2``, columns ``16 * (t % 2)`` and up. PTX ISA 8.7, section
9.7.14.6.1, draws this; that is how it was read, and CUTLASS orders its metadata so as well
(``tools/util/include/cutlass/util/host_reorder.h``). Not yet run on a GPU.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.xp import namespace
from minisparse.gpu.tensor_cores.fragments import G, T

_ROWS = 16 * (T // 2) + G + 8 * np.arange(2)
"""Shape (32, 2): the rows that the low and the high half of a lane's word describe."""
_GROUPS = 4 * (T % 2) + np.arange(4)
"""Shape (32, 4): the groups of four columns that each half describes, the lowest bits first."""
_SHIFTS = 16 * np.arange(2)[:, None, None] + 4 * np.arange(4)[:, None] + 2 * np.arange(2)
"""Shape (2, 4, 2): where the bits of a half, a group and a value begin."""


def pack_metadata(positions: Array) -> Array:
    """Return the words of metadata of 2:4 tiles.

    Parameters
    ----------
    positions : ndarray of int, shape (…, 32, 16)
        Of 32 rows and 32 columns: where each value stands in its group, ``0 … 3``, increasing.

    Returns
    -------
    ndarray of uint32, shape (…, 32)
        One word for each lane.

    Examples
    --------
    >>> first_two = np.tile([0, 1], (32, 8))
    >>> f"{pack_metadata(first_two)[0]:x}"
    '44444444'
    """
    xp: Any = namespace(positions)
    rows, groups = xp.asarray(_ROWS[:, :, None]), xp.asarray(_GROUPS[:, None, :])
    pairs = positions.reshape(*positions.shape[:-1], 8, 2)
    held = pairs[..., rows, groups, :].astype(np.uint32)  # lane, half, group, value
    shifted = held << xp.asarray(_SHIFTS, np.uint32)
    words: Array = shifted.sum(axis=(-3, -2, -1), dtype=np.uint32)
    return words


def unpack_metadata(words: Array) -> Array:
    """Return the positions that words of metadata hold, shape (…, 32, 16) of uint8."""
    held = words[..., :, None, None, None] >> _SHIFTS.astype(np.uint32) & 3
    pairs = np.empty((*words.shape[:-1], 32, 8, 2), np.uint8)
    pairs[..., _ROWS[:, :, None], _GROUPS[:, None, :], :] = held
    return pairs.reshape(*words.shape[:-1], 32, 16)
