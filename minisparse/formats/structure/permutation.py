"""Rows, or columns, in another order."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UsageError
from minisparse.formats.base import Matrix
from minisparse.formats.intake import beside
from minisparse.formats.structure.selection import Part, Picked, Run
from minisparse.formats.structure.slicing import part


def permute_rows(A: Matrix, order: Any) -> Matrix:
    """Return the matrix whose row i is row ``order[i]`` of A; ``np.argsort(order)`` undoes it.

    Parameters
    ----------
    A : Matrix
        ``[M, K]``.
    order : array_like of int, shape (M,)
        Every row once.

    Raises
    ------
    UsageError
        If ``order`` is no permutation.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> from_dense([[1, 2], [3, 4], [5, 6]], "csr").permute_rows([2, 0, 1]).to_dense()
    array([[5, 6],
           [1, 2],
           [3, 4]])
    """
    rows = Picked(_as_permutation(A, order, 0))
    return part(A, Part(rows, Run(0, 1, A.shape[1])))


def permute_columns(A: Matrix, order: Any) -> Matrix:
    """Return the matrix whose column j is column ``order[j]`` of A; see :func:`permute_rows`."""
    cols = Picked(_as_permutation(A, order, 1))
    return part(A, Part(Run(0, 1, A.shape[0]), cols))


def _as_permutation(A: Matrix, order: Any, of: int) -> Array:
    size, axis = A.shape[of], ("row", "column")[of]
    where = f"permute_{axis}s"
    found = beside(A, order, f"{where}: order")
    if found.ndim != 1 or len(found) != size or (size and found.dtype.kind not in "iu"):
        raise UsageError(
            f"{where}: order is {found.dtype}{list(found.shape)}: it must be {size} integers, "
            f"one for each {axis}"
        )
    wrong = (found < 0) | (found >= size)
    if wrong.any():
        raise UsageError(
            f"{where}: order[{wrong.argmax()}] is {found[wrong.argmax()]}: it must be at least 0 "
            f"and less than {size}"
        )
    times = np.bincount(found.astype(np.int64), minlength=size)
    if (times > 1).any():
        twice = int(times.argmax())
        raise UsageError(
            f"{where}: order names {axis} {twice} {times[twice]} times: each must occur once; "
            f"A[order] may repeat them"
        )
    return found.astype(np.int64)
