"""How many threads NumPy's BLAS uses: asked for, and held at one while we use the cores ourselves.

A BLAS that shares a small product between its own threads, called from two of ours at once, makes
them wait for each other. NumPy has no call to limit it, but the libraries that it is built with do;
it is looked up in the extension module that NumPy has loaded already.
"""

import ctypes
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

_NAMES = tuple(
    f"{prefix}openblas_{{}}_num_threads{suffix}"
    for prefix in ("scipy_", "")
    for suffix in ("64_", "")
)
"""What OpenBLAS calls it, by how NumPy was built: with a prefix, with 64-bit integers."""
_MKL_NAMES = "MKL_Get_Max_Threads", "MKL_Set_Num_Threads"


class Controls(NamedTuple):
    """A BLAS's own functions.

    Attributes
    ----------
    get : callable
        Returns how many threads it may use now.
    set : callable
        Limits it to so many, in the whole process.
    """

    get: Callable[[], int]
    set: Callable[[int], object]


@cache
def controls() -> Controls | None:
    """Return the functions of the BLAS that NumPy uses; None where it has none that we know."""
    try:
        # Private, but the only door to the BLAS that NumPy itself uses.
        extension = importlib.import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(extension.__file__ or "")
    except (ImportError, OSError):
        return None
    named = [(name.format("get"), name.format("set")) for name in _NAMES] + [_MKL_NAMES]
    for getter, setter in named:
        if hasattr(library, getter) and hasattr(library, setter):
            return Controls(getattr(library, getter), getattr(library, setter))
    return None


class _Hold:
    """How many hold BLAS at one thread now, and how many threads it had before the first did."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.before = 1


_HOLD = _Hold()


def thread_count() -> int:
    """Return how many threads BLAS may use: as many as array code may take for itself.

    1 where that is not known. While :func:`one_thread` holds BLAS, the number it had before.
    """
    found = controls()
    if found is None:
        return 1
    with _HOLD.lock:
        return _HOLD.before if _HOLD.count else found.get()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS at one thread, as long as anybody is inside; then it has as many as before.

    Examples
    --------
    >>> before = thread_count()
    >>> import numpy as np
    >>> with one_thread():
    ...     product = np.ones((2, 2)) @ np.ones((2, 2))
    >>> thread_count() == before
    True
    """
    found = controls()
    if found is None:
        yield
        return
    with _HOLD.lock:
        if not _HOLD.count:
            _HOLD.before = found.get()
            found.set(1)
        _HOLD.count += 1
    try:
        yield
    finally:
        with _HOLD.lock:
            _HOLD.count -= 1
            if not _HOLD.count:
                found.set(_HOLD.before)
