"""Memory that kernels write to and forget: aligned, and the same at the next call.

Fresh memory costs its first touch, page by page. Each thread keeps a buffer for each use, as long
as it lives, so that a call finds what the last one left, warm.
"""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.wide import aligned_empty

MOST_KEPT = 1 << 24
"""Bytes of a buffer that a thread keeps at most; what is larger is made for one call."""


@dataclass(eq=False)
class _Buffers:
    """The buffers of one thread, which others can find as long as it lives.

    Attributes
    ----------
    by_use : dict
        From uses to buffers.
    threads : dict
        From uses to how many threads shared the work that asked for them.
    sharing : int
        How many threads share what this one does now.
    """

    by_use: dict[str, Array] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    sharing: int = 1


class _Kept(threading.local):
    """The buffers of each thread."""

    def __init__(self) -> None:
        self.own = _Buffers()
        self.buffers = self.own.by_use
        _EVERY.add(self.own)


_EVERY: "weakref.WeakSet[_Buffers]" = weakref.WeakSet()
_KEPT = _Kept()


@contextmanager
def shared_by(threads: int) -> Iterator[None]:
    """Note that so many threads share the work inside: each will keep what this one asks for."""
    _KEPT.own.sharing = threads
    try:
        yield
    finally:
        _KEPT.own.sharing = 1


def kept_scratch() -> dict[tuple[str, bool], int]:
    """Return how many bytes are kept, once every thread that shares work has buffers of its own.

    Which threads take part in a run is left to chance; after some runs all of them did.

    Returns
    -------
    dict
        From a use, and whether it is that of helpers, to bytes: of the largest buffer that a
        thread has, or of those that all other threads will have.
    """
    found: dict[tuple[str, bool], int] = {}
    for own in list(_EVERY):
        for use, buffer in dict(own.by_use).items():
            helpers = own.threads.get(use, 1) - 1
            for key, size in (((use, False), buffer.size), ((use, True), buffer.size * helpers)):
                found[key] = max(found.get(key, 0), size)
    return found


def held_scratch() -> int:
    """Return the bytes that all threads keep now."""
    return sum(b.size for own in list(_EVERY) for b in list(own.by_use.values()))


def forget_scratch() -> None:
    """Let go of what threads keep; each makes its buffers anew when it needs them."""
    for own in list(_EVERY):
        own.by_use.clear()
        own.threads.clear()


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
            _KEPT.own.threads[use] = _KEPT.own.sharing
    return buffer[:size].view(dtype).reshape(shape)
