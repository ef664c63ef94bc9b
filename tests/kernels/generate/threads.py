"""A small stand-in for ``cupyx.jit``: a thread program is run thread by thread, on a CPU.

Only what generated programs use: the numbers of a thread and its block, and atomic addition. One
thread runs to its end before the next begins.
"""

import math
from collections.abc import Callable
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.generate.launch import run_threads, thread_program
from minisparse.kernels.generate.nest import Nest


class Watched:
    """A device array: an index beyond its ends, or a negative one, is an error as on a GPU."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        found: tuple[int, ...] = self.values.shape
        return found

    def _check(self, index: Any) -> None:
        places = index if isinstance(index, tuple) else (index,)
        assert len(places) == self.values.ndim, f"{places} in {self.values.shape}"
        for place, length in zip(places, self.values.shape, strict=True):
            assert 0 <= place < length, f"{places} in {self.values.shape}"

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        return self.values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(index)
        self.values[index] = np.asarray(value).astype(self.values.dtype)


class Jit:
    """What ``cupyx.jit`` offers to a thread."""

    def __init__(self) -> None:
        self.threadIdx = self.blockIdx = self.blockDim = self.gridDim = SimpleNamespace(x=0, y=0)

    @staticmethod
    def atomic_add(array: Watched, index: Any, value: Any) -> None:
        array[index] = array[index] + value


def _coordinates(sizes: tuple[int, ...]) -> list[SimpleNamespace]:
    x, y = (*sizes, 1)[:2]
    return [SimpleNamespace(x=i, y=j) for j, i in product(range(y), range(x))]


def in_turn(program: Callable[..., None], jit: Jit) -> Callable[..., None]:
    """Return what launches a program: every thread of the grid runs, one after another."""

    def kernel(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        watched = [Watched(x) if isinstance(x, np.ndarray) else x for x in arguments]
        jit.gridDim, jit.blockDim = (SimpleNamespace(x=s[0], y=(*s, 1)[1]) for s in (grid, block))
        for jit.blockIdx, jit.threadIdx in product(_coordinates(grid), _coordinates(block)):
            program(*watched)

    return kernel


def run_on_cpu(nest: Nest, operands: tuple[Any, ...]) -> Any:
    """Compute a nest by its thread program, every thread of the grid in turn."""
    jit = Jit()
    names = {"np": np, "jit": jit, "exp": np.exp, "tanh": math.tanh, "erfc": math.erfc}
    program = thread_program(nest, names)
    with np.errstate(all="ignore"):
        return run_threads(nest, in_turn(program, jit), operands, np)
