"""The stored entries of a result whose number is not known before it is there."""

import math

import numpy as np

from minisparse.core.dtypes import Array, DType

_FIRST = 1 << 20
"""Entries that there is room for from the start; memory that is not touched costs nothing."""
_MORE = 1.02
"""Room for this many times the entries that are expected after the first ones."""


class Growing:
    """Values and indices, appended in order.

    Where there may be many, the arrays get room for a part of them; when that is full, the
    share of the products that are done tells how many will come. What is too much is given back in
    the end, in place, so that the parts and the whole are never held at once.

    Parameters
    ----------
    products : int
        How many products there are to be added up.
    most : int
        An upper bound of how many entries that gives.
    dtype, index : numpy.dtype
        Of values and indices.
    block : tuple of int, optional
        Shape of each value.
    """

    def __init__(
        self, products: int, most: int, dtype: DType, index: DType, block: tuple[int, ...] = ()
    ) -> None:
        self._products, self._most = products, most
        self._done, self.filled = 0, 0
        capacity = min(most, max(1, _FIRST // math.prod(block)))
        self._data = np.empty((capacity, *block), dtype)
        self._indices = np.empty(capacity, index)

    def extend(self, count: int, products: int) -> tuple[Array, Array]:
        """Return values and indices of ``count`` more entries, to be written to.

        Parameters
        ----------
        count : int
            How many there are.
        products : int
            Of how many products they are the sums.
        """
        start, stop = self.filled, self.filled + count
        self._done += products
        if stop > len(self._indices):
            expected = int(_MORE * stop * self._products / max(self._done, 1))
            self._grow(max(stop, min(self._most, max(expected, len(self._indices) * 5 // 4))))
        self.filled = stop
        return self._data[start:stop], self._indices[start:stop]

    def arrays(self) -> tuple[Array, Array]:
        """Return values and indices of all entries; nothing can be appended any more."""
        # Views that were handed out have been filled, and are no longer looked at.
        self._data.resize((self.filled, *self._data.shape[1:]), refcheck=False)
        self._indices.resize(self.filled, refcheck=False)
        return self._data, self._indices

    def _grow(self, capacity: int) -> None:
        data, indices = self._data, self._indices
        self._data = np.empty((capacity, *data.shape[1:]), data.dtype)
        self._data[: self.filled] = data[: self.filled]
        self._indices = np.empty(capacity, indices.dtype)
        self._indices[: self.filled] = indices[: self.filled]
