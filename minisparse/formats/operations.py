"""What one can ask of every matrix beside what its format says: parts, order, sums, arithmetic.

A mixin apart from :class:`~minisparse.formats.base.Matrix`, which is what a format has to fulfil:
a new format inherits all this and implements none of it. Each method leads to the function in
:mod:`minisparse.formats.structure` that does it and says more; those know the format classes, and
so are imported when first called.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from minisparse.core.dtypes import Array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minisparse.formats.base import Matrix


class Operations:
    """The methods of a matrix that are the same for every format.

    ``self`` is a Matrix throughout, which a mixin cannot declare: hence Any.
    """

    # -- parts and order -------------------------------------------------------------------------

    def __getitem__(self: Any, key: Any) -> Any:
        """Return a part as a matrix, ``A[2:5, ::-1]``, or cells: ``A[2, 3]``; see :mod:`.slicing`.

        COO, CSR and CSC keep their format; BSR and n:m where no block or group is cut, else CSR.
        """
        from minisparse.formats.structure.slicing import select

        return select(self, key)

    def __iter__(self: Any) -> "Iterator[Matrix]":
        """Yield the rows, each a matrix ``[1, K]``."""
        return (self[m] for m in range(self.shape[0]))

    def permute_rows(self: Any, order: Any) -> "Matrix":
        """Return the matrix whose row i is row ``order[i]`` of A; ``argsort(order)`` undoes it."""
        from minisparse.formats.structure.permutation import permute_rows

        return permute_rows(self, order)

    def permute_columns(self: Any, order: Any) -> "Matrix":
        """Return the matrix whose column j is column ``order[j]`` of A."""
        from minisparse.formats.structure.permutation import permute_columns

        return permute_columns(self, order)

    def diagonal(self: Any, k: int = 0) -> Array:
        """Return the cells ``A[m, m + k]`` as a plain array."""
        from minisparse.formats.structure.triangles import diagonal

        return diagonal(self, k)

    def triu(self: Any, k: int = 0) -> "Matrix":
        """Return the entries on and above diagonal k; BSR and n:m give CSR."""
        from minisparse.formats.structure.triangles import triu

        return triu(self, k)

    def tril(self: Any, k: int = 0) -> "Matrix":
        """Return the entries on and below diagonal k; BSR and n:m give CSR."""
        from minisparse.formats.structure.triangles import tril

        return tril(self, k)

    # -- the same matrix, stored in another way --------------------------------------------------

    def sum_duplicates(self: Any) -> "Matrix":
        """Return the same matrix sorted and with duplicates summed: :meth:`canonical`."""
        merged: Matrix = self.canonical()
        return merged

    def sort_indices(self: Any) -> "Matrix":
        """Return the same matrix sorted, duplicates kept; itself if it is so already."""
        from minisparse.formats.structure.tidying import sort_indices

        return sort_indices(self)

    def eliminate_zeros(self: Any) -> "Matrix":
        """Return the same matrix without stored zeros, or without blocks of zeros for BSR."""
        from minisparse.formats.structure.tidying import eliminate_zeros

        return eliminate_zeros(self)

    def copy(self: Any) -> "Matrix":
        """Return the same matrix on arrays of its own, which nobody else can write into."""
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        copied: Matrix = self._trusted(self.shape, **{**self._extras, **arrays})
        return copied

    def astype(self: Any, dtype: Any) -> "Matrix":
        """Return the same cells in another dtype; duplicates are summed first."""
        from minisparse.formats.structure.arithmetic import astype

        return astype(self, dtype)

    # -- reductions ------------------------------------------------------------------------------

    def sum(self: Any, axis: int | None = None) -> Any:
        """Return the sum of all cells, or of each column (axis 0) or row (axis 1)."""
        from minisparse.formats.structure.reductions import total

        return total(self, axis)

    def mean(self: Any, axis: int | None = None) -> Any:
        """Return the mean of all cells, stored or not, or of each column or row."""
        from minisparse.formats.structure.reductions import mean

        return mean(self, axis)

    def min(self: Any, axis: int | None = None) -> Any:
        """Return the least of all cells, stored or not, or of each column or row."""
        from minisparse.formats.structure.reductions import lowest

        return lowest(self, axis)

    def max(self: Any, axis: int | None = None) -> Any:
        """Return the greatest of all cells, stored or not, or of each column or row."""
        from minisparse.formats.structure.reductions import highest

        return highest(self, axis)

    def count_nonzero(self: Any, axis: int | None = None) -> Any:
        """Return how many cells are not zero, of all, or of each column or row."""
        from minisparse.formats.structure.reductions import count_nonzero

        return count_nonzero(self, axis)

    # -- cell by cell ----------------------------------------------------------------------------

    def __neg__(self: Any) -> "Matrix":
        """Return ``-A``, the stored positions kept."""
        from minisparse.formats.structure.arithmetic import negative

        return negative(self)

    def __abs__(self: Any) -> "Matrix":
        """Return the absolute values, duplicates summed first."""
        from minisparse.formats.structure.arithmetic import absolute

        return absolute(self)

    def conj(self: Any) -> "Matrix":
        """Return the complex conjugate; itself where it is real."""
        from minisparse.formats.structure.arithmetic import conjugate

        return conjugate(self)

    def __add__(self, other: Any) -> Any:
        """Return the sums, cell by cell; cells that cancel stay stored."""
        return _combine(self, other, np.add)

    def __radd__(self, other: Any) -> Any:
        """Return ``other + A``."""
        return _combine(self, other, np.add, swapped=True)

    def __sub__(self, other: Any) -> Any:
        """Return the differences, cell by cell; cells that cancel stay stored."""
        return _combine(self, other, np.subtract)

    def __rsub__(self, other: Any) -> Any:
        """Return ``other - A``."""
        return _combine(self, other, np.subtract, swapped=True)

    def __mul__(self, other: Any) -> Any:
        """Return the products, cell by cell, with a matrix of its shape or a number."""
        return _combine(self, other, np.multiply)

    def __rmul__(self, other: Any) -> Any:
        """Return ``other * A``."""
        return _combine(self, other, np.multiply, swapped=True)

    def __truediv__(self, other: Any) -> Any:
        """Return A over a number; a cell that is not stored stays so, ``A / 0`` included."""
        return _combine(self, other, np.true_divide)

    def __rtruediv__(self, other: Any) -> Any:
        """Refuse: every cell that is not stored would divide by zero."""
        return _combine(self, other, np.true_divide, swapped=True)

    def __eq__(self, other: object) -> Any:
        """Return where A equals a number but 0; for two matrices see :func:`.equal`."""
        return _compare(self, other, np.equal)

    def __ne__(self, other: object) -> Any:
        """Return where the cells of A and B differ, or those of A from 0; ``.nnz`` counts them."""
        return _compare(self, other, np.not_equal)

    def __lt__(self, other: Any) -> Any:
        """Return where A is less, as a bool matrix that stores what is True."""
        return _compare(self, other, np.less)

    def __le__(self, other: Any) -> Any:
        """Return where A is less or equal, in the same way."""
        return _compare(self, other, np.less_equal)

    def __gt__(self, other: Any) -> Any:
        """Return where A is greater, as a bool matrix that stores what is True."""
        return _compare(self, other, np.greater)

    def __ge__(self, other: Any) -> Any:
        """Return where A is greater or equal, in the same way."""
        return _compare(self, other, np.greater_equal)

    __hash__ = object.__hash__  # by identity: a matrix may be a key although == compares cells

    def __bool__(self: Any) -> bool:
        """Refuse: neither ``if A`` nor ``if A != B`` has one answer."""
        from minisparse.formats.structure.comparison import truth

        return truth(self)


def _combine(A: Any, other: Any, function: np.ufunc, *, swapped: bool = False) -> Any:
    from minisparse.formats.structure.arithmetic import combine

    return combine(A, other, function, swapped=swapped)


def _compare(A: Any, other: Any, function: np.ufunc) -> Any:
    from minisparse.formats.structure.comparison import compare

    return compare(A, other, function)
