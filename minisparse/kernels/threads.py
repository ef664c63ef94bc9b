"""Work shared between threads, item by item, without changing what is computed.

NumPy lets go of the interpreter while it multiplies and copies, so that two threads of array code
do run at once; only the calls themselves take turns. Which thread takes which item is left to
chance, so items must not depend on each other, nor on how many threads there are.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from minisparse.kernels import blas
from minisparse.kernels.scratch import shared_by

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

MOST = 4
"""Threads that are taken at most: beyond, they wait for the interpreter more than they work."""


def usable_threads() -> int:
    """Return how many threads array code may take: as many as BLAS, and at most :data:`MOST`."""
    return min(blas.thread_count(), MOST)


def share(work: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Call ``work`` on every item, on so many threads, this one among them.

    BLAS is held at one thread meanwhile. Floating-point warnings are off in all of them.

    Parameters
    ----------
    work : callable
        Of one item; it must let go of the interpreter where it takes its time.
    items : iterable
        Taken in order, each by the first thread that is free.
    threads : int
        1 calls one after another, here.

    Raises
    ------
    Exception
        What ``work`` raised.

    Examples
    --------
    >>> found = []
    >>> share(found.append, range(5), threads=2)
    >>> sorted(found)
    [0, 1, 2, 3, 4]
    """
    waiting = deque(items)

    def until_none_is_left() -> None:
        with np.errstate(all="ignore"):  # the setting of the caller ends at its thread
            while waiting:
                try:
                    item = waiting.popleft()
                except IndexError:  # another thread took the last one in between
                    return
                work(item)

    if threads < 2 or len(waiting) < 2:
        until_none_is_left()
        return
    from concurrent.futures import wait  # which importing does without

    with blas.one_thread(), shared_by(min(threads, MOST)):
        count = min(threads, MOST) - 1
        helpers = [_pool(count).submit(until_none_is_left) for _ in range(count)]
        try:
            until_none_is_left()
        finally:  # the caller's arrays are in use until all have stopped
            waiting.clear()
            begun = [helper for helper in helpers if not helper.cancel()]
            wait(begun)
        for helper in begun:
            helper.result()


@cache
def _pool(helpers: int) -> "ThreadPoolExecutor":
    """Return threads that wait for work: no more than help at once, for each keeps its scratch."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(helpers, "minisparse")


# A forked child has none of its parent's threads, but would wait for them.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
