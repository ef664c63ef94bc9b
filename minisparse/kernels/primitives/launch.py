"""How many threads run, what they can compute with, and what all launches have in common."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import SUPPORTED, Array
from minisparse.core.index import index_dtype
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.gpu.jit import WARP

THREADS = 256
"""Of a block at most, where nothing else is said."""
MOST_BLOCKS = 65535
"""Blocks of a grid at most; where there is more to do, threads take several turns."""


def blocks_for(items: int, at_once: int) -> int:
    """Return how many blocks are launched where each does ``at_once`` of so many items a turn.

    Examples
    --------
    >>> blocks_for(257, 256), blocks_for(10**9, 256)
    (2, 65535)
    """
    return min(-(-items // at_once), MOST_BLOCKS)


def counter(count: int, step: int) -> np.signedinteger[Any]:
    """Return a count as a number that loops up to it in such steps do not overflow.

    A loop's variable has the dtype of where it stops, and passes it by up to one step.
    """
    found: np.signedinteger[Any] = index_dtype((count + step,), 0).type(count)
    return found


def each(count: int) -> tuple[tuple[int, ...], tuple[int, ...], np.signedinteger[Any]]:
    """Return grid, block and count for a launch with a thread for each of some elements.

    Blocks of a few elements have as many threads as these need, in whole warps.

    Parameters
    ----------
    count : int
        Above 0.

    Examples
    --------
    >>> each(1000), each(40)
    (((4,), (256,), np.int32(1000)), ((1,), (64,), np.int32(40)))
    """
    threads = min(THREADS, -(-count // WARP) * WARP)
    blocks = blocks_for(count, threads)
    return (blocks,), (threads,), counter(count, blocks * threads)


def in_c_order(x: Array) -> Array:
    """Return an array as it lies, or a copy in C order, where the array is."""
    found: Array = namespace(x).ascontiguousarray(x)
    return found


def why_not(types: Sequence[TensorType]) -> str:
    """Return why threads cannot compute with operands of these types, or nothing.

    ``cupyx.jit`` has neither bfloat16 nor complex numbers.
    """
    names = {t.dtype.name for t in types}
    odd = sorted(n for n in names if n not in SUPPORTED or n.startswith("complex"))
    return f"threads do not compute with {', '.join(odd)}" if odd else ""
