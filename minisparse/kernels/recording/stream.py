"""The elements that a kernel reads and writes, in the order in which it does."""

from dataclasses import dataclass

import numpy as np

from minisparse.core.dtypes import Array

PAGE = 4096
"""Every array starts at a multiple of so many bytes."""


@dataclass(frozen=True)
class Stream:
    """A sequence of accesses to arrays.

    Attributes
    ----------
    array : ndarray of uint16, shape (T,)
        Which array each access touches.
    element : ndarray of int64, shape (T,)
        Which of its elements, counted in row-major order.
    write : ndarray of bool, shape (T,)
        Whether it is written.
    names : tuple of str
        Of the arrays: ``"a.indptr"``, ``"b"``, ``"result"``.
    itemsizes : tuple of int
        Bytes of an element of each array.
    lengths : tuple of int
        Elements of each array.

    Examples
    --------
    >>> array, element = np.array([0, 1, 1], "uint16"), np.array([3, 0, 2])
    >>> write = np.array([False, False, True])
    >>> stream = Stream(array, element, write, ("x", "y"), itemsizes=(8, 4), lengths=(4, 3))
    >>> stream.bases
    (0, 4096)
    >>> stream.addresses()
    array([  24, 4096, 4104])
    """

    array: Array
    element: Array
    write: Array
    names: tuple[str, ...]
    itemsizes: tuple[int, ...]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of accesses."""
        return len(self.element)

    @property
    def bases(self) -> tuple[int, ...]:
        """The address at which each array starts: at a page, one array after the other."""
        found, next_free = [], 0
        for itemsize, length in zip(self.itemsizes, self.lengths, strict=True):
            found.append(next_free)
            next_free += -(-max(itemsize * length, 1) // PAGE) * PAGE
        return tuple(found)

    def addresses(self) -> Array:
        """Return the address of the first byte of each access, int64."""
        bases = np.array(self.bases, np.int64)
        found: Array = bases[self.array] + self.element * np.array(self.itemsizes)[self.array]
        return found
