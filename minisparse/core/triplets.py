"""A sparse matrix as bare arrays: what ops and oracles can speak of without any format class."""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.core.xp import is_on_gpu


class Triplets(NamedTuple):
    """Stored entries as coordinates, in stored order, duplicates and explicit zeros included.

    Attributes
    ----------
    row, col : ndarray of int, shape (nnz,)
        Coordinates of each stored entry.
    data : ndarray, shape (nnz,)
        Values.
    shape : tuple of int
        ``(M, K)``.
    """

    row: Array
    col: Array
    data: Array
    shape: tuple[int, int]

    def to_dense(self) -> Array:
        """Return the matrix ``[M, K]`` with duplicates summed; in main memory alone.

        Raises
        ------
        UsageError
            If the entries lie on a card, where their order needs care.

        Examples
        --------
        >>> Triplets(np.array([0, 0]), np.array([1, 1]), np.array([2.0, 3.0]), (1, 2)).to_dense()
        array([[0., 5.]])
        """
        if is_on_gpu(self.data):
            raise UsageError(
                "Triplets.to_dense: the entries are on the GPU: write "
                "from_triplets(t, 'coo').to_dense()"
            )
        dense = np.zeros(self.shape, self.data.dtype)
        with np.errstate(all="ignore"):  # inf - inf and overflow are values here, not accidents
            np.add.at(dense, (self.row, self.col), self.data)
        return dense
