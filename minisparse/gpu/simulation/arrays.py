"""Arrays of a checked run: where each element lies, and what is no element.

Addresses are those that the arrays would have on a card: each array that owns its memory begins at
a multiple of 512 bytes, as CuPy allocates it, and a view lies where it lies in its owner. Arrays in
shared memory begin at a multiple of 128 bytes, in the first bank.
"""

from operator import index as whole
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.gpu.simulation.races import Memory

GLOBAL_ALIGNMENT = 512
SHARED_ALIGNMENT = 128
_NEGATIVE = "negative indices do not count from the end on a GPU"
_WHOLE = (int, np.integer)


class BadIndex(Exception):
    """An index is none of an array's; ``kind`` says of which kind the finding is."""

    def __init__(self, kind: str, words: str, index: tuple[Any, ...]) -> None:
        super().__init__(words)
        self.kind, self.words, self.index = kind, words, index


class CheckedArray:
    """An array that knows where its elements lie and who has touched them.

    Programs reach its elements through ``jit.load`` and ``jit.store``; what else they may ask of an
    array (``len``, ``shape``, ``size``, ``ndim``, ``dtype``) is here. Indexed directly, as from
    pdb, it is the array itself, and nothing is noted.

    Parameters
    ----------
    name : str
        Of the parameter, or of the name that a shared array is given.
    data : array
        What it holds.
    base : int
        The address of its first element.
    memory : Memory
        Who has touched which address.
    space : str
        ``"global"`` or ``"shared"``.
    """

    def __init__(self, name: str, data: Array, base: int, memory: Memory, space: str) -> None:
        self.name, self.data, self.base, self.memory, self.space = name, data, base, memory, space
        self.shape, self.size, self.ndim = data.shape, data.size, data.ndim
        self.dtype, self.strides = data.dtype, data.strides
        self.written = bytearray(data.size) if space == "shared" else None
        self._length = data.shape[0] if data.ndim == 1 else -1
        self._stride = data.strides[0] if data.ndim == 1 else 0
        self.root: CheckedArray = self
        self.prefix: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        return self.data[index]

    def __repr__(self) -> str:
        """Return its name, where it lies, and what it holds."""
        return f"{self.space} {self.name}: {self.data!r}"

    def locate(self, index: Any) -> tuple[int, Any]:
        """Return the address of an element, and its index as plain numbers.

        Raises
        ------
        BadIndex
            If there is no such element, or too many or too few indices.
        """
        if type(index) is not tuple and self._length >= 0 and _is_whole(index):
            i = whole(index)
            if 0 <= i < self._length:
                return self.base + i * self._stride, i
        indices = self._checked(index)
        if len(indices) < self.ndim:
            raise BadIndex("indices", self._wrong_number(len(indices)), indices)
        return self._address(indices), indices

    def part(self, index: Any) -> "CheckedArray | None":
        """Return what a single element is not: the array below fewer indices than dimensions."""
        if self.ndim < 2 or (type(index) is tuple and len(index) >= self.ndim):
            return None
        indices = self._checked(index)
        below = CheckedArray(
            self.name, self.data[indices], self._address(indices), self.memory, self.space
        )
        below.root, below.prefix = self.root, (*self.prefix, *indices)
        return below

    def _address(self, indices: tuple[int, ...]) -> int:
        return self.base + sum(i * s for i, s in zip(indices, self.strides, strict=False))

    def _checked(self, index: Any) -> tuple[int, ...]:
        given = index if type(index) is tuple else (index,)
        if len(given) > self.ndim:
            raise BadIndex("indices", self._wrong_number(len(given)), given)
        for i, size in zip(given, self.shape, strict=False):
            if not _is_whole(i):
                raise BadIndex("indices", f"an index is a whole number, and {i!r} is none", given)
            if not 0 <= i < size:
                raise BadIndex("bounds", _NEGATIVE if i < 0 else f"it ends before {size}", given)
        return tuple(whole(i) for i in given)

    def _wrong_number(self, given: int) -> str:
        return f"it has {self.ndim} dimensions, and {given} are given: index all of them"


def _is_whole(index: Any) -> bool:
    return isinstance(index, _WHOLE)


def owner(array: Array) -> Array:
    """Return the array in whose memory another lies."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def addresses(arrays: list[Array]) -> list[int]:
    """Return where arrays begin, those that share memory close to each other.

    Examples
    --------
    >>> x, y = np.zeros(8), np.zeros(8)
    >>> addresses([x, y, x[1:]])
    [512, 1024, 520]
    """
    starts: dict[int, int] = {}
    end = 1
    found = []
    for array in arrays:
        low, high = _region(array, arrays)
        if low not in starts:
            starts[low] = -(-end // GLOBAL_ALIGNMENT) * GLOBAL_ALIGNMENT
            end = starts[low] + max(high - low, 1)
        found.append(starts[low] + array.__array_interface__["data"][0] - low)
    return found


def _region(array: Array, arrays: list[Array]) -> tuple[int, int]:
    """Return where the memory begins and ends in which an array lies, with others perhaps."""
    bounds = sorted(np.lib.array_utils.byte_bounds(owner(x)) for x in arrays)
    low, high = np.lib.array_utils.byte_bounds(owner(array))
    for begin, end in [*bounds, *bounds[::-1]]:
        if begin < high and low < end:
            low, high = min(low, begin), max(high, end)
    return low, high
