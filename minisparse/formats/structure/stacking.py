"""Matrices put side by side, one below the other, or corner to corner."""

from collections.abc import Iterable
from itertools import accumulate

import numpy as np

from minisparse.core.errors import ShapeError, UsageError
from minisparse.core.index import index_dtype
from minisparse.core.triplets import Triplets
from minisparse.core.xp import check_one_place
from minisparse.formats.base import Matrix
from minisparse.formats.csr import CSR
from minisparse.formats.nm import NM
from minisparse.formats.structure.results import (
    common_dtype,
    common_layout,
    in_single_cells,
    in_units,
    unit_of,
)


def hstack(matrices: Iterable[Matrix]) -> Matrix:
    """Return ``[A, B, …]``, the matrices side by side.

    Parameters
    ----------
    matrices : iterable of Matrix
        At least one, in any formats; all with the same number of rows.

    Returns
    -------
    Matrix
        In the format that all share, if none of its blocks or groups is cut, else in CSR; of the
        dtype that NumPy gives them together. Stored order and duplicates stay within each, but
        that a matrix whose dtype changes is made canonical first.

    Raises
    ------
    ShapeError
        If numbers of rows differ.
    DTypeError
        If dtypes do not mix.
    UsageError
        If there is no matrix, or something that is none.

    Examples
    --------
    >>> from minisparse.formats import from_dense, hstack
    >>> hstack([from_dense([[1], [0]], "csr"), from_dense([[0, 2], [3, 0]], "csr")]).to_dense()
    array([[1, 0, 2],
           [0, 3, 0]])
    """
    parts = _checked(matrices, "hstack")
    rows = {A.shape[0] for A in parts}
    if len(rows) > 1:
        raise ShapeError(f"hstack (C1): {_shapes(parts)}: all must have the same number of rows")
    *starts, width = accumulate((A.shape[1] for A in parts), initial=0)
    return _placed(parts, [(0, start) for start in starts], (rows.pop(), width), "hstack")


def vstack(matrices: Iterable[Matrix]) -> Matrix:
    """Return the matrices one below the other; see :func:`hstack`.

    Examples
    --------
    >>> from minisparse.formats import from_dense, vstack
    >>> vstack([from_dense([[1, 0]], "csr"), from_dense([[0, 2]], "coo")])
    CSR(2x2 int64, 2 stored, density 0.5, 0.036 kB)
    """
    parts = _checked(matrices, "vstack")
    columns = {A.shape[1] for A in parts}
    if len(columns) > 1:
        raise ShapeError(f"vstack (C1): {_shapes(parts)}: all must have the same number of columns")
    *starts, height = accumulate((A.shape[0] for A in parts), initial=0)
    return _placed(parts, [(start, 0) for start in starts], (height, columns.pop()), "vstack")


def block_diag(matrices: Iterable[Matrix]) -> Matrix:
    """Return the matrices corner to corner, with zeros elsewhere; see :func:`hstack`.

    Examples
    --------
    >>> from minisparse.formats import block_diag, from_dense
    >>> block_diag([from_dense([[1, 2]], "csr"), from_dense([[3]], "csr")]).to_dense()
    array([[1, 2, 0],
           [0, 0, 3]])
    """
    parts = _checked(matrices, "block_diag")
    *rows, height = accumulate((A.shape[0] for A in parts), initial=0)
    *cols, width = accumulate((A.shape[1] for A in parts), initial=0)
    return _placed(parts, list(zip(rows, cols, strict=True)), (height, width), "block_diag")


def _checked(matrices: Iterable[Matrix], where: str) -> list[Matrix]:
    parts = list(matrices)
    for i, part in enumerate(parts):
        if not isinstance(part, Matrix):
            raise UsageError(
                f"{where}: item {i} is a {type(part).__name__}: all must be minisparse matrices; "
                f"from_dense and from_scipy make them"
            )
    if not parts:
        raise UsageError(f"{where}: no matrices were given: at least one is needed")
    check_one_place(where, {f"item {i}": part.data for i, part in enumerate(parts)})
    return parts


def _shapes(parts: list[Matrix]) -> str:
    return ", ".join(f"{A.shape[0]}x{A.shape[1]}" for A in parts)


def _placed(
    parts: list[Matrix], corners: list[tuple[int, int]], shape: tuple[int, int], where: str
) -> Matrix:
    """Return the matrix of that shape where the first cell of each part stands in its corner."""
    if max(shape) > 2**63 - 1:
        raise ShapeError(f"{where} (C2): {_shapes(parts)}: together they exceed 2**63 - 1 lines")
    dtype = common_dtype(parts, where)
    width = index_dtype(shape, sum(A.nnz for A in parts))
    # a sum of duplicates wraps in the dtype in which they are stored: it is due before widening
    entries = [(A if A.dtype == dtype else A.canonical()).triplets() for A in parts]
    together = Triplets(
        np.concatenate(
            [e.row.astype(width) + m for e, (m, _) in zip(entries, corners, strict=True)]
        ),
        np.concatenate(
            [e.col.astype(width) + k for e, (_, k) in zip(entries, corners, strict=True)]
        ),
        np.concatenate([e.data.astype(dtype, copy=False) for e in entries]),
        shape,
    )
    if not common_layout(parts):
        return CSR._from_entries(together, None)
    if _keep_units(parts[0], corners) and not (isinstance(parts[0], NM) and where == "block_diag"):
        return in_units(parts[0], together)
    return in_single_cells(parts[0], together)


def _keep_units(A: Matrix, corners: list[tuple[int, int]]) -> bool:
    """Tell whether all corners fall between the units of A's format."""
    unit = unit_of(A)
    if unit is None:
        return False
    return all(m % unit[0] == 0 and k % unit[1] == 0 for m, k in corners)
