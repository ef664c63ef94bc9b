"""The same matrix, stored more neatly: sorted, without duplicates, without zeros."""

from minisparse.core.errors import UnsupportedOpError
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.compressed import Compressed, expand, pointers
from minisparse.formats.ordering import lexical_order
from minisparse.formats.structure.results import holds_every_pattern, in_single_cells


def sort_indices(A: Matrix) -> Matrix:
    """Return A with its entries in the format's order; A itself if they are so already.

    Duplicates stay, in stored order among themselves. BSR sorts whole blocks.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 2.0, 3.0], [1, 0, 1], [0, 3], (1, 2)).sort_indices()
    >>> A.indices, A.data
    (array([0, 1, 1], dtype=int32), array([2., 1., 3.]))
    """
    if A.has_sorted_indices:
        return A
    if "pointers" in A.roles.values():
        data, indices, indptr = Compressed(**A.arrays)
        order = lexical_order(expand(indptr), indices, (max(A.shape), max(A.shape)))
        if order is None:
            return A
        return A._trusted(A.shape, data=data[order], indices=indices[order], indptr=indptr)
    row, col, data, shape = A.triplets()
    order = lexical_order(row, col, shape)
    if order is None:
        return A
    return in_single_cells(A, Triplets(row[order], col[order], data[order], shape))


def eliminate_zeros(A: Matrix) -> Matrix:
    """Return A without the stored values that are zero; A itself if there is none.

    Each stored value is looked at by itself: duplicates that cancel are zero only after
    ``A.canonical()``. BSR loses the blocks that are zero throughout. NaN is not zero; -0.0 is.

    Raises
    ------
    UnsupportedOpError
        For n:m, which stores n values in each group whatever they are.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> CSR([1.0, 0.0], [0, 1], [0, 2], (1, 2)).eliminate_zeros()
    CSR(1x2 float64, 1 stored, density 0.5, 0.02 kB)
    """
    if isinstance(A, BSR):
        return _without_zero_blocks(A)
    if not holds_every_pattern(A):
        raise UnsupportedOpError(
            f"eliminate_zeros: {A.format} stores the same number of values in every group, zeros "
            f"among them; write A.to('csr').eliminate_zeros()"
        )
    row, col, data, shape = A.triplets()
    there = data != 0
    if there.all():
        return A
    return in_single_cells(A, Triplets(row[there], col[there], data[there], shape))


def _without_zero_blocks(A: BSR) -> BSR:
    there = (A.data != 0).any(axis=(1, 2))
    if there.all():
        return A
    indptr = pointers(there)[A.indptr]
    return A._trusted(A.shape, data=A.data[there], indices=A.indices[there], indptr=indptr)
