"""Memory that kernels write to and forget: aligned, and the same at the next call.

Fresh memory costs its first touch, page by page. Each thread keeps a buffer for each use, as long
as it lives, so that a call finds what the last one left, warm.
"""

import threading

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.wide import aligned_empty

MOST_KEPT = 1 << 24
"""Bytes of a buffer that a thread keeps at most; what is larger is made for one call."""


class _Kept(threading.local):
    """The buffers of each thread, by use."""

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}


_KEPT = _Kept()


def scratch(use: str, shape: tuple[int, ...], dtype: DType) -> Array:
    """Return an uninitialized array that starts at a cache line.

    It is valid until this thread asks for the same use again: no kernel may return it, nor call
    another kernel while it needs it.

    Parameters
    ----------
    use : str
        What for; arrays of different uses never overlap.
    shape : tuple of int
        Of the array.
    dtype : numpy.dtype
        Of the array.

    Examples
    --------
    >>> first = scratch("sums", (2, 3), np.dtype("float32"))
    >>> again = scratch("sums", (1, 3), np.dtype("float32"))
    >>> np.shares_memory(first, again)
    True
    """
    size = dtype.itemsize
    for length in shape:
        size *= length
    buffer = _KEPT.buffers.get(use)
    if buffer is None or buffer.size < size:
        buffer = aligned_empty((size,), np.dtype(np.uint8))
        if size <= MOST_KEPT:
            _KEPT.buffers[use] = buffer
    return buffer[:size].view(dtype).reshape(shape)
