"""Memory of a checked run: each access is looked at, noted for the races, and logged."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.gpu.jit import WARP
from minisparse.gpu.simulation.arithmetic import Arithmetic
from minisparse.gpu.simulation.arrays import SHARED_ALIGNMENT, BadIndex, CheckedArray, addresses
from minisparse.gpu.simulation.observer import place
from minisparse.gpu.simulation.races import Memory, Touch
from minisparse.gpu.simulation.sites import Finding, Findings, Site
from minisparse.gpu.simulation.thread import Thread

_ACROSS = "no barrier orders blocks within a launch: use atomics, or let one block alone touch it"

MOST_SHARED = 48 * 1024
"""Bytes of arrays that a block may share, declared as the language does (CUDA's static ones)."""


class Touches(Arithmetic):
    """Looks at what a program does to memory."""

    threadIdx: Thread  # noqa: N815 - CUDA's own name

    def __init__(self, grid: tuple[int, ...], block: tuple[int, ...], findings: Findings) -> None:
        super().__init__(grid, block, findings)
        self.started: list[tuple[int, int, int]] = []  # blocks, in the order in which they ran
        self._shared_memory, self._shared_end = Memory(), 0

    def forget_shared(self) -> None:
        """Begin with no shared arrays, as a block does."""
        self.shared, self._shared_memory, self._shared_end = {}, Memory(), 0

    def arguments(self, names: Sequence[str], given: Sequence[Any]) -> list[Any]:
        """Return what a program is given: its arrays, checked."""
        arrays = [x for x in given if isinstance(x, np.ndarray)]
        where, memory = iter(addresses(arrays)), Memory()
        called = (*names, *["argument"] * len(given))
        return [
            CheckedArray(name, x, next(where), memory, "global") if isinstance(x, np.ndarray) else x
            for name, x in zip(called, given, strict=False)
        ]

    def made_shared(self, array: Array, name: str, site: Site) -> CheckedArray:
        """Return an array that a block shares, in which nothing is written yet."""
        base = -(-self._shared_end // SHARED_ALIGNMENT) * SHARED_ALIGNMENT
        self._shared_end = base + array.nbytes
        if self._shared_end > MOST_SHARED:
            words = f"the block shares {self._shared_end} bytes, and {MOST_SHARED} are the most"
            self.found("shared", site, words, array=name)
        return CheckedArray(name or "shared", array, base, self._shared_memory, "shared")

    def load(self, site: Site, array: Any, index: Any) -> Any:
        """Return an element, or the array below fewer indices than there are dimensions."""
        if type(array) is not CheckedArray:
            return array[index]
        thread = self.threadIdx
        try:
            below = None if array.ndim == 1 else array.part(index)
            if below is not None:
                return below
            address, at = array.locate(index)
        except BadIndex as error:
            self._bad_index(site, "read", array, error)
            return array.dtype.type(0)
        thread.note("load", site, array, address)
        race = array.memory.read(address, thread.moment, site)
        if race is not None:
            self._race(site, "reads", array, at, race)
        if array.written is not None and not array.written[at]:
            self._unwritten(site, array, at)
        return array.data[at]

    def store(self, site: Site, value: Any, array: Any, index: Any) -> None:
        """Write an element."""
        if type(array) is not CheckedArray:
            array[index] = value
            return
        thread = self.threadIdx
        try:
            address, at = array.locate(index)
        except BadIndex as error:
            self._bad_index(site, "write", array, error)
            return
        thread.note("store", site, array, address)
        race = array.memory.write(address, thread.moment, site)
        if race is not None:
            self._race(site, "writes", array, at, race)
        if array.written is not None:
            array.written[at] = 1
        self._check_cast(site, array, value)
        array.data[at] = value

    def update(self, site: Site, symbol: str, value: Any, array: Any, index: Any) -> None:
        """Change an element: read it, compute, write it."""
        old = self.load(site, array, index)
        self.store(site, self.compute(site, symbol, old, value), array, index)

    def atomic(self, site: Site, name: str, array: Any, index: Any, *values: Any) -> Any:
        """Change an element in one step, and return what was there."""
        thread = self.threadIdx
        try:
            address, at = array.locate(index)
        except BadIndex as error:
            self._bad_index(site, "change", array, error)
            return array.dtype.type(0)
        thread.note("atomic", site, array, address)
        race = array.memory.atomic(address, thread.moment, site)
        if race is not None:
            self._race(site, "atomically changes", array, at, race)
        if array.written is not None:
            if not array.written[at] and name != "atomic_exch":
                self._unwritten(site, array, at)
            array.written[at] = 1
        for value in values:
            self._check_cast(site, array, value)
        return getattr(self, name)(array.data, at, *values)

    def _check_cast(self, site: Site, array: CheckedArray, value: Any) -> None:
        if array.dtype.kind in "iub" and isinstance(value, float | np.floating):
            self.found(
                "dtype",
                site,
                f"{array.name} is {array.dtype} and is given {type(value).__name__}: CuPy converts "
                f"no floats to integers by itself, so say how",
                array=array.name,
            )

    def _bad_index(self, site: Site, how: str, array: CheckedArray, error: BadIndex) -> None:
        index = tuple(int(i) if isinstance(i, int | np.integer) else i for i in error.index)
        index = (*array.prefix, *index)
        self.found(
            error.kind,
            site,
            f"cannot {how} {element(array.name, index)} of shape {array.root.shape}: {error.words}",
            array=array.name,
            index=index,
        )

    def _unwritten(self, site: Site, array: CheckedArray, at: int) -> None:
        self.found(
            "uninitialized",
            site,
            f"{element(array.name, (at,))} is read and no thread has written it: shared memory "
            f"holds garbage until it is written",
            array=array.name,
            index=(at,),
        )

    def _race(self, site: Site, how: str, array: CheckedArray, at: Any, earlier: Touch) -> None:
        index = (*array.prefix, *(at if isinstance(at, tuple) else (at,)))
        moment = self.threadIdx.moment
        block, thread = place(self.blockIdx), place(self.threadIdx)
        second = place(self._threads[earlier.moment.thread])
        if earlier.moment.block != moment.block:
            of, remedy = f" of block {self.started[earlier.moment.block]}", _ACROSS
        elif earlier.moment.thread // WARP == moment.thread // WARP:
            of, remedy = "", "put jit.syncwarp() or jit.syncthreads() between them"
        else:
            of, remedy = "", "put jit.syncthreads() between them"
        message = (
            f"{site.function}: data race on {element(array.name, index)} in {array.space} memory: "
            f"thread {thread} of block {block} {how} it at {site}, thread {second}{of} "
            f"{earlier.how} it at {earlier.site}, and nothing says which comes first: {remedy}"
        )
        self.findings.add(
            Finding("race", message, site, block, (thread, second), array.name, index)
        )


def element(name: str, index: tuple[Any, ...]) -> str:
    """Return an element as it is written.

    Examples
    --------
    >>> element("b", (2, 3))
    'b[2, 3]'
    """
    return f"{name}[{', '.join(map(str, index))}]"
