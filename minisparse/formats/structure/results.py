"""In which format a result comes: in its operand's where that can hold it, else in CSR.

COO, CSR and CSC hold every pattern, and results stay in them. BSR and n:m hold units of several
cells, blocks and groups: a result that cuts no unit stays in them, any other comes in CSR, where
each of its entries is one cell. So no operation stores a cell that its operands did not.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import DType, as_dtype
from minisparse.core.errors import DTypeError
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.csr import CSR
from minisparse.formats.nm import NM


def holds_every_pattern(A: Matrix) -> bool:
    """Tell whether A's format stores single cells, wherever they are."""
    return not A.layout_names


def unit_of(A: Matrix) -> tuple[int, int] | None:
    """Return the height and width of what A's format stores as one; None where it is unknown.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> unit_of(from_dense([[1, 2]], "csr")), unit_of(from_dense([[1, 2]], "nm", n=2, m=4))
    ((1, 1), (1, 4))
    """
    if holds_every_pattern(A):
        return 1, 1
    if isinstance(A, BSR):
        return A.block
    if isinstance(A, NM):
        return 1, A.m
    return None


def in_single_cells(A: Matrix, entries: Triplets) -> Matrix:
    """Return entries in A's format if that holds every pattern, else in CSR; order is kept."""
    kind = type(A) if holds_every_pattern(A) else CSR
    return kind._from_entries(entries, None)


def in_units(A: Matrix, entries: Triplets) -> Matrix:
    """Return entries that are whole units of A in A's format; blocks come merged and sorted."""
    return type(A)._from_entries(entries, A.block)


def common_layout(matrices: Sequence[Matrix]) -> bool:
    """Tell whether all matrices have one format, and one block where it has blocks."""
    first = matrices[0]
    return all(type(A) is type(first) and A.block == first.block for A in matrices)


def like_both(A: Matrix, B: Matrix, entries: Triplets) -> Matrix:
    """Return what was computed of two matrices' cells: in the format that they share, or in CSR.

    Whole blocks meet whole blocks, so BSR stays BSR where the blocks are alike. n:m never stays:
    two groups together may hold more than n values, and where they meet fewer.
    """
    if common_layout([A, B]):
        if isinstance(A, BSR):
            return in_units(A, entries)
        return in_single_cells(A, entries)
    return CSR._from_entries(entries, None)


def common_dtype(matrices: Sequence[Matrix], where: str) -> DType:
    """Return the dtype that NumPy gives the values of several matrices together.

    Raises
    ------
    DTypeError
        If there is none, as for float16 with bfloat16.
    """
    dtypes = [A.dtype for A in matrices]
    try:
        found = np.result_type(*dtypes)
    except TypeError as error:
        names = " and ".join(str(dtype) for dtype in dict.fromkeys(dtypes))
        raise DTypeError(
            f"{where}: {names} do not mix: bring them to one dtype first, with .astype"
        ) from error
    return as_dtype(found, where)
