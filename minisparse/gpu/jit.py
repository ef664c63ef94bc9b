"""The names that a thread program may use: those of ``cupyx.jit``, and functions of one element.

A thread program is a function that every thread of a grid runs at once. It is written in the part
of Python that ``cupyx.jit.rawkernel`` translates to CUDA C, with ``from minisparse.gpu import jit``
in the place of ``from cupyx import jit``. So that it can be imported where there is no CuPy, the
names here stand for themselves and do nothing: CuPy's own take their place when a program is
compiled (:mod:`minisparse.gpu.translate`), and others when it is simulated
(:mod:`minisparse.gpu.simulator`). Names and meanings are CUDA's: see the CUDA C++ Programming
Guide, "C++ Language Extensions".
"""

import math
from typing import Any, NoReturn

import numpy as np

from minisparse.core.errors import UsageError

WARP = 32
"""Threads of a warp."""
FULL = 0xFFFFFFFF
"""The mask of a warp whose lanes all take part."""
warpsize = WARP


def _outside(name: str) -> NoReturn:
    raise UsageError(
        f"jit.{name} means something inside of a thread program alone: launch the program, or "
        f"step through it with its simulate()"
    )


class Place:
    """Where a thread is, or how many there are: three numbers, ``x`` running fastest."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def x(self) -> int:
        """Along the first axis."""
        _outside(f"{self._name}.x")

    @property
    def y(self) -> int:
        """Along the second axis."""
        _outside(f"{self._name}.y")

    @property
    def z(self) -> int:
        """Along the third axis."""
        _outside(f"{self._name}.z")


threadIdx = Place("threadIdx")  # noqa: N816 - CUDA's own name
blockIdx = Place("blockIdx")  # noqa: N816
blockDim = Place("blockDim")  # noqa: N816
gridDim = Place("gridDim")  # noqa: N816


def grid(ndim: int) -> Any:
    """Return where a thread is in the whole grid; a tuple where ``ndim`` is above 1."""
    _outside("grid")


def gridsize(ndim: int) -> Any:
    """Return how many threads the whole grid has; a tuple where ``ndim`` is above 1."""
    _outside("gridsize")


def laneid() -> int:
    """Return which lane of its warp a thread is."""
    _outside("laneid")


def syncthreads() -> None:
    """Wait for all threads of the block; what they wrote before is seen by all after."""
    _outside("syncthreads")


def syncwarp(*, mask: int = FULL) -> None:
    """Wait for the lanes of the warp that are in the mask."""
    _outside("syncwarp")


def shared_memory(dtype: Any, size: int | None, alignment: int | None = None) -> Any:
    """Return an array of ``size`` elements that the threads of a block share, not initialized."""
    _outside("shared_memory")


def shfl_sync(mask: int, var: Any, val_id: Any, *, width: int = WARP) -> Any:
    """Return the ``var`` of lane ``val_id``, counted within groups of ``width`` lanes."""
    _outside("shfl_sync")


def shfl_up_sync(mask: int, var: Any, val_id: Any, *, width: int = WARP) -> Any:
    """Return the ``var`` of the lane ``val_id`` below; one's own where there is none."""
    _outside("shfl_up_sync")


def shfl_down_sync(mask: int, var: Any, val_id: Any, *, width: int = WARP) -> Any:
    """Return the ``var`` of the lane ``val_id`` above; one's own where there is none."""
    _outside("shfl_down_sync")


def shfl_xor_sync(mask: int, var: Any, val_id: Any, *, width: int = WARP) -> Any:
    """Return the ``var`` of the lane whose number differs in the bits of ``val_id``."""
    _outside("shfl_xor_sync")


def atomic_add(array: Any, index: Any, value: Any) -> Any:
    """Add to ``array[index]`` as one step, and return what was there."""
    _outside("atomic_add")


def atomic_max(array: Any, index: Any, value: Any) -> Any:
    """Raise ``array[index]`` to ``value`` if that is larger, and return what was there."""
    _outside("atomic_max")


def atomic_min(array: Any, index: Any, value: Any) -> Any:
    """Lower ``array[index]`` to ``value`` if that is smaller, and return what was there."""
    _outside("atomic_min")


def atomic_exch(array: Any, index: Any, value: Any) -> Any:
    """Write ``array[index]`` as one step, and return what was there."""
    _outside("atomic_exch")


def atomic_cas(array: Any, index: Any, value: Any, alt_value: Any) -> Any:
    """Write ``alt_value`` if ``array[index]`` is ``value``, as one step; return what was there."""
    _outside("atomic_cas")


def exp(x: Any) -> Any:
    """Return e to the power of x, in x's dtype."""
    return np.exp(x)


def log(x: Any) -> Any:
    """Return the natural logarithm."""
    return np.log(x)


def sqrt(x: Any) -> Any:
    """Return the square root."""
    return np.sqrt(x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def erfc(x: Any) -> Any:
    """Return the complement of the error function, in x's dtype."""
    return x.dtype.type(math.erfc(float(x)))
