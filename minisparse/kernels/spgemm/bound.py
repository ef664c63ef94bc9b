"""How much a sparse product can store at most, known before anything is multiplied."""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.formats import BSR, COO, CSC, CSR, Matrix
from minisparse.formats.compressed import Compressed
from minisparse.kernels.spgemm.meeting import meet, some_rows
from minisparse.ops import SPGEMM


class SpgemmBound(NamedTuple):
    """What is known of ``A @ B`` before it is computed.

    Attributes
    ----------
    products : int
        Multiply-adds: over the entries of A, the lengths of the rows of B that they meet.
    stored : int
        The result stores no more than this: a row of it no more than its products, and no more
        than N. Without duplicates, and where no two products meet in a cell, it is exact.
    """

    products: int
    stored: int


def spgemm_bound(A: Matrix, B: Matrix) -> SpgemmBound:
    """Return how many multiply-adds ``A @ B`` takes, and how much it stores at most.

    Parameters
    ----------
    A : Matrix
        ``[M, K]``, in CSR, CSC, COO or BSR.
    B : Matrix
        ``[K, N]``, in the same format.

    Returns
    -------
    SpgemmBound
        For BSR in elements, the padding of blocks at the edges included, as ``nnz`` counts them.

    Raises
    ------
    ShapeError, DTypeError, UnsupportedOpError
        As :func:`~minisparse.kernels.functions.spgemm` does.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 2.0, 3.0], [0, 1, 1], [0, 2, 3], (2, 2))
    >>> B = CSR([4.0, 5.0, 6.0], [0, 1, 1], [0, 2, 3], (2, 2))
    >>> spgemm_bound(A, B)
    SpgemmBound(products=4, stored=3)
    """
    for name, x in (("A", A), ("B", B)):
        if not isinstance(x, Matrix):
            raise UnsupportedOpError(
                f"spgemm_bound: {name} is a {type(x).__name__}: it must be a sparse matrix"
            )
    SPGEMM.infer((A.type, B.type))
    n = B.shape[1]
    if isinstance(A, CSR) and isinstance(B, CSR):
        return bound_of_rows(rows_of(A), rows_of(B), n)
    if isinstance(A, CSC) and isinstance(B, CSC):
        return bound_of_rows(rows_of(B), rows_of(A), A.shape[0])
    if isinstance(A, BSR) and isinstance(B, BSR):
        (r, c), s = A.block, B.block[1]
        blocks = bound_of_rows(rows_of(A), rows_of(B), -(-n // s))
        return SpgemmBound(blocks.products * r * c * s, blocks.stored * r * s)
    if isinstance(A, COO) and isinstance(B, COO):
        met = np.bincount(B.row, minlength=B.shape[0])[A.col]
        of_row = np.zeros(A.shape[0], np.int64)
        np.add.at(of_row, A.row, met)
        return SpgemmBound(int(met.sum()), int(np.minimum(of_row, n).sum()))
    raise UnsupportedOpError(
        f"spgemm_bound: A is stored as {A.format}: convert both with .to('csr')"
    )


def rows_of(a: CSR | CSC | BSR) -> Compressed:
    """Return the arrays of a compressed format: of CSC these are the rows of the transpose."""
    return Compressed(a.data, a.indices, a.indptr)


def bound_of_rows(a: Compressed, b: Compressed, columns: int) -> SpgemmBound:
    """Return the bound of CSR's arrays, some rows at a time."""
    products = stored = first = 0
    while first < len(a.indptr) - 1:
        last = some_rows(a.indptr, first)
        bounds = meet(a._replace(indptr=a.indptr[first : last + 1]), b).bounds
        some = bound_of_meeting(bounds, columns)
        products, stored = products + some.products, stored + some.stored
        first = last
    return SpgemmBound(products, stored)


def bound_of_meeting(bounds: Array, columns: int) -> SpgemmBound:
    """Return the bound of rows, given where the products of each start."""
    of_row = bounds[1:] - bounds[:-1]
    return SpgemmBound(int(bounds[-1]), int(np.minimum(of_row, columns, out=of_row).sum()))
