"""What ``jit`` is to a thread in the simulator: where it is, what its block shares, its atomics."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import reduce
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np

from minisparse.gpu import jit as language
from minisparse.gpu.simulation.sites import SimulationError, Site
from minisparse.gpu.simulation.waits import Group, Wait, why

WARP = language.WARP


def dims(sizes: tuple[int, ...]) -> SimpleNamespace:
    """Return up to three sizes as ``x``, ``y`` and ``z``."""
    x, y, z = (*sizes, 1, 1)[:3]
    return SimpleNamespace(x=x, y=y, z=z)


def places(sizes: tuple[int, ...]) -> list[Any]:
    """Return every place in a grid or a block, ``x`` running fastest."""
    x, y, z = (*sizes, 1, 1)[:3]
    return [SimpleNamespace(x=i, y=j, z=k) for k, j, i in product(range(z), range(y), range(x))]


def smallest(*values: Any) -> Any:
    """Return what ``min`` is on a card: NaN if there is any, in the dtype common to all."""
    return reduce(_smaller, values)


def largest(*values: Any) -> Any:
    """Return what ``max`` is on a card: NaN if there is any, in the dtype common to all.

    Examples
    --------
    >>> largest(np.float32(-1), np.float16(0)), largest(np.float32(0), np.float32("nan"))
    (np.float32(0.0), np.float32(nan))
    """
    return reduce(_larger, values)


def _smaller(x: Any, y: Any) -> Any:
    if type(x) is type(y):  # NumPy's own takes ten times as long
        return y if y < x or y != y else x
    return np.minimum(x, y)


def _larger(x: Any, y: Any) -> Any:
    if type(x) is type(y):
        return y if y > x or y != y else x
    return np.maximum(x, y)


class Here:
    """What ``jit`` is to the thread that runs at the moment.

    Parameters
    ----------
    grid, block : tuple of int
        Sizes.
    """

    WARP = warpsize = WARP
    FULL = language.FULL
    exp, log, sqrt, tanh, erfc = (
        staticmethod(f)
        for f in (language.exp, language.log, language.sqrt, language.tanh, language.erfc)
    )

    def __init__(self, grid: tuple[int, ...], block: tuple[int, ...]) -> None:
        self.gridDim, self.blockDim = dims(grid), dims(block)
        self.blockIdx: Any = None
        self.threadIdx: Any = None
        self.shared: dict[Site, Any] = {}
        self.pause: Callable[[], None] | None = None
        self._threads = places(block)

    # -- what the simulator tells ----------------------------------------------------------------

    def begin(self, block: Any) -> list[Any]:
        """Begin a block; return its threads, each with its place."""
        self.blockIdx, self.shared = block, {}
        return self._threads

    def watched_arithmetic(self) -> AbstractContextManager[Any]:
        """Return a context in which a program's arithmetic runs; nothing is said of overflow."""
        return np.errstate(all="ignore")

    def joined(self, group: Group) -> None:
        """Hear that threads have met."""

    def stuck(self, program: str, waiting: Mapping[int, Wait]) -> None:
        """Raise SimulationError: no thread can go on."""
        t, words, _ = why(waiting)
        raise SimulationError(
            f"{program}: thread {t} waits in {waiting[t].kind} at {waiting[t].site} {words}"
        )

    def failed(self, error: Exception) -> None:
        """Hear of an error of Python in a thread; it is raised on."""

    def end(self) -> None:
        """End a block."""

    # -- what a program asks ---------------------------------------------------------------------

    def grid(self, ndim: int) -> Any:
        """Return where the thread is in the whole grid."""
        t, b, d = self.threadIdx, self.blockIdx, self.blockDim
        where = (t.x + b.x * d.x, t.y + b.y * d.y, t.z + b.z * d.z)
        return where[0] if ndim == 1 else where[:ndim]

    def gridsize(self, ndim: int) -> Any:
        """Return how many threads the grid has."""
        g, d = self.gridDim, self.blockDim
        sizes = (g.x * d.x, g.y * d.y, g.z * d.z)
        return sizes[0] if ndim == 1 else sizes[:ndim]

    def laneid(self) -> Any:
        """Return which lane of its warp the thread is."""
        t, d = self.threadIdx, self.blockDim
        return (t.x + d.x * (t.y + d.y * t.z)) % WARP

    def shared_memory(
        self, dtype: Any, size: int, alignment: int | None = None, *, site: Site, name: str
    ) -> Any:
        """Return the array that the threads of this block share."""
        if site not in self.shared:
            self.shared[site] = self.made_shared(np.zeros(size, dtype), name, site)
        return self.shared[site]

    def made_shared(self, array: Any, name: str, site: Site) -> Any:
        """Return what a program gets for an array that a block shares."""
        return array

    def wait(
        self, kind: str, site: Site, *given: Any, mask: int = language.FULL, width: int = WARP
    ) -> Wait:
        """Return what the thread says to the simulator when it stops."""
        if not given:
            return Wait(kind, site, mask)
        return Wait(kind, site, given[0], given[1], given[2], width)

    def atomic_add(self, array: Any, index: Any, value: Any) -> Any:
        """Add, in the array's dtype, and return what was there."""
        old = array[index]
        array[index] = old + array.dtype.type(value)
        return old

    def atomic_max(self, array: Any, index: Any, value: Any) -> Any:
        """Raise to a value, and return what was there."""
        old = array[index]
        array[index] = largest(old, array.dtype.type(value))
        return old

    def atomic_min(self, array: Any, index: Any, value: Any) -> Any:
        """Lower to a value, and return what was there."""
        old = array[index]
        array[index] = smallest(old, array.dtype.type(value))
        return old

    def atomic_exch(self, array: Any, index: Any, value: Any) -> Any:
        """Write, and return what was there."""
        old = array[index]
        array[index] = value
        return old

    def atomic_cas(self, array: Any, index: Any, value: Any, alt_value: Any) -> Any:
        """Write where it is ``value``, and return what was there."""
        old = array[index]
        if old == value:
            array[index] = alt_value
        return old
