"""Index width as part of a type: int32 while everything fits, else int64."""

import numpy as np

INT32_LIMIT = 2**31 - 1
"""Largest dimension or number of stored entries that int32 indices may address.

One constant, read at each call, so that a test can lower it and see the int64 paths on small data.
"""


def index_dtype(shape: tuple[int, ...], nnz: int) -> np.dtype[np.signedinteger]:
    """Return the index dtype of a matrix: int32 while ``max(shape, nnz) <= INT32_LIMIT``.

    Parameters
    ----------
    shape : tuple of int
        The matrix's shape.
    nnz : int
        Number of stored entries.

    Examples
    --------
    >>> index_dtype((1024, 1024), 10_000)
    dtype('int32')
    >>> index_dtype((2**31, 1), 5)
    dtype('int64')
    """
    widest = max(*shape, nnz, 0)
    return np.dtype(np.int32) if widest <= INT32_LIMIT else np.dtype(np.int64)
