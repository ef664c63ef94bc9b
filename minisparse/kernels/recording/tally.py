"""The book that a recorded run is written into: accesses in order, and what they add up to."""

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError
from minisparse.kernels.counts import Counts
from minisparse.kernels.recording.stream import Stream

if TYPE_CHECKING:
    from minisparse.kernels.recording.arrays import RecordedArray

MOST_ARRAYS = 1 << 16
"""What the number of an array can be in a stream, as uint16."""


@dataclass
class Root:
    """An array of which others are views or widened copies.

    Attributes
    ----------
    number : int
        Its place in the stream's lists.
    name, itemsize, length
        As in the stream.
    role : {"values", "indices", "pointers"}
        What an element read from it is.
    made : bool
        Whether the loops made it; else it is an operand's.
    filled : bool
        Whether it was zeroed or filled whole when it was made.
    last : tuple of int
        Which element was read last, and through which index.
    read : int
        The number of that reading, if the array holds indices.
    """

    number: int
    name: str
    itemsize: int
    length: int
    role: str
    made: bool = False
    filled: bool = False
    last: tuple[int, int] = (-1, 0)
    read: int = 0


class Tally:
    """Accesses one by one, with what each was reached through; flops, calls and bytes made."""

    def __init__(self) -> None:
        self.roots: list[Root] = []
        self.array, self.element = array("H"), array("q")
        self.write, self.source = array("B"), array("q")
        self.appends = tuple(x.append for x in (self.array, self.element, self.write, self.source))
        self.flops = self.calls = self.made = self.made_bytes = self.readings = 0
        self.free: list[Root] = []

    def add(self, name: str, x: Array, role: str = "values", made: bool = False) -> Root:
        """Return the root of a new array."""
        if len(self.roots) == MOST_ARRAYS:
            raise InternalError(f"recording: the loops make more than {MOST_ARRAYS} arrays")
        root = Root(len(self.roots), name, x.dtype.itemsize, x.size, role, made)
        self.roots.append(root)
        return root

    def make(self, x: Array, filled: bool, role: str) -> Root:
        """Return the root of an array that the loops make: where one as large was freed, that."""
        for root in self.free:
            if (root.itemsize, root.length, root.role) == (x.dtype.itemsize, x.size, role):
                self.free.remove(root)
                root.last = (-1, 0)
                break
        else:
            self.made += 1
            self.made_bytes += x.nbytes
            root = self.add(f"made {self.made}", x, role, made=True)
        root.filled = root.filled or filled
        return root

    def note(self, root: Root, element: int, write: bool, source: int) -> None:
        """Write one access down; ``source`` is the reading of an index it came through, or 0."""
        array, place, written, through = self.appends  # looked up once: this is the hot loop
        self.calls += 1
        array(root.number)
        place(element)
        written(write)
        through(source)

    def note_whole(self, read: list["RecordedArray"], written: "RecordedArray | None") -> None:
        """Write an operation on whole arrays down: element by element, one call."""
        every = [*read, written] if written is not None else read
        shape = np.broadcast_shapes(*(x.shape for x in every))
        places = [np.broadcast_to(x.where, shape).reshape(-1) for x in every]
        count = len(places[0])
        self.calls += 1
        self.element.frombytes(np.stack(places, axis=1).tobytes())
        self.array.extend([x.root.number for x in every] * count)
        self.write.frombytes(bytes(x is written for x in every) * count)
        self.source.frombytes(np.array([x.source for x in every] * count, np.int64).tobytes())

    def reading(self, root: Root, element: int, source: int) -> int:
        """Return the number of this reading of an index: a new one unless it is read again."""
        if root.last != (element, source):
            self.readings += 1
            root.last, root.read = (element, source), self.readings
        return root.read

    def stream(self) -> Stream:
        """Return the accesses."""
        return Stream(
            np.frombuffer(self.array, np.uint16),
            np.frombuffer(self.element, np.int64),
            np.frombuffer(self.write, np.bool_),
            tuple(root.name for root in self.roots),
            tuple(root.itemsize for root in self.roots),
            tuple(root.length for root in self.roots),
        )

    def counts(self, result_bytes: int) -> Counts:
        """Return what all that adds up to; of the bytes made, ``result_bytes`` are returned."""
        streamed, gathered = self._streamed(), self._gathered()
        of = {"values": 0, "indices": 0, "pointers": 0}
        for root in self.roots:
            elements = root.length if root.filled else int(streamed[root.number])
            of[root.role] += elements * root.itemsize
        return Counts(
            self.flops,
            of["values"],
            of["indices"] + of["pointers"],
            sum(int(gathered[root.number]) * root.itemsize for root in self.roots),
            self.made_bytes - result_bytes,
            self.calls,
        )

    def _streamed(self) -> Array:
        """Return how many elements of each array were reached by counting."""
        by_count = np.frombuffer(self.source, np.int64) == 0
        numbers = np.frombuffer(self.array, np.uint16)[by_count].astype(np.int64)
        elements = np.frombuffer(self.element, np.int64)[by_count]
        distinct = np.unique(numbers << 48 | elements)
        return np.bincount(distinct >> 48, minlength=len(self.roots))

    def _gathered(self) -> Array:
        """Return how many elements of each array were reached through how many indices."""
        source = np.frombuffer(self.source, np.int64)
        through = source > 0
        numbers = np.frombuffer(self.array, np.uint16)[through].astype(np.int64)
        elements = np.frombuffer(self.element, np.int64)[through]
        places = numbers << 48 | elements << 1 | np.frombuffer(self.write, np.uint8)[through]
        order = np.lexsort((places, source[through]))
        places, source = places[order], source[through][order]
        new = np.ones(len(places), bool)
        new[1:] = (places[1:] != places[:-1]) | (source[1:] != source[:-1])
        return np.bincount(places[new] >> 48, minlength=len(self.roots))
