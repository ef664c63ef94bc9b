"""CSC, compressed sparse columns: the entries of each column side by side, column after column.

Entry p of column k is ``A[indices[p], k] = data[p]`` for ``indptr[k] <= p < indptr[k + 1]``:
CSR of the transpose.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from minisparse.core.dtypes import Array
from minisparse.core.index import index_dtype
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import (
    Compressed,
    check_compressed,
    compress,
    expand,
    group,
    is_increasing,
    turn,
)
from minisparse.formats.csr import CSR
from minisparse.formats.dense import rows_of_dense
from minisparse.formats.holder import Block
from minisparse.formats.intake import as_integers, as_shape, as_values

if TYPE_CHECKING:
    from minisparse.formats.pattern import Pattern


class CSC(Matrix):
    """Compressed sparse columns.

    Parameters
    ----------
    data : array_like, shape (nnz,)
        Stored values.
    indices : array_like of int, shape (nnz,)
        The row of each value.
    indptr : array_like of int, shape (K + 1,)
        Where each column starts in ``data`` and ``indices``; the last is ``nnz``.
    shape : tuple of int
        ``(M, K)``.

    Raises
    ------
    FormatError
        With the number of the first broken rule:
        F1 the shape is two integers of at least 0;
        F2 data is 1-D (DTypeError: of a supported dtype);
        F3 indices and indptr are 1-D and hold integers;
        F4 indptr has K + 1 elements;
        F5 indices has as many elements as data;
        F6 indptr starts at 0;
        F7 indptr does not decrease;
        F8 indptr ends at the number of stored values;
        F9 every index is a row of the matrix.

    Notes
    -----
    Indices become int32, or int64 where the shape or ``nnz`` exceeds ``INT32_LIMIT``.
    Rows may be unsorted within a column, and a cell stored twice counts twice: such a matrix is
    valid but not canonical.
    Arrays that fit are not copied: write into them later, and the matrix changes or breaks.

    Examples
    --------
    >>> from minisparse.formats import CSC
    >>> A = CSC([1.0, 3.0, 2.0], [0, 1, 0], [0, 1, 2, 3], (2, 3))
    >>> A.to_dense()
    array([[1., 0., 2.],
           [0., 3., 0.]])
    """

    format = "csc"
    roles: ClassVar[Mapping[str, str]] = {
        "data": "values",
        "indices": "indices",
        "indptr": "pointers",
    }

    indices: Array
    indptr: Array

    def __init__(self, data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> None:
        shape = as_shape(shape, "CSC (F1)")
        arrays = Compressed(
            as_values(data, 1, "CSC (F2): data"),
            as_integers(indices, 1, "CSC (F3): indices"),
            as_integers(indptr, 1, "CSC (F3): indptr"),
        )
        check_compressed(arrays, (shape[1], shape[0]), "CSC", ("columns", "rows"))
        self._store(shape, arrays._asdict())

    def check(self) -> None:
        """Verify every invariant; raise FormatError naming the first broken one."""
        arrays = Compressed(self.data, self.indices, self.indptr)
        check_compressed(arrays, (self.shape[1], self.shape[0]), "CSC", ("columns", "rows"))
        self._forget_facts()

    def triplets(self) -> Triplets:
        """Return the stored entries as coordinates, in stored order."""
        return Triplets(self.indices, expand(self.indptr, count=self.nnz), self.data, self.shape)

    @cached_property
    def has_sorted_indices(self) -> bool:
        """Whether rows never decrease within a column."""
        return is_increasing(self.indices, self.indptr, strictly=False)

    @cached_property
    def has_canonical_format(self) -> bool:
        """Whether rows strictly increase within a column: sorted, and no cell stored twice."""
        return is_increasing(self.indices, self.indptr, strictly=True)

    def _rows(self) -> Compressed | None:
        if self.shape[0] > self.nnz:
            return None  # pointers to every row would outweigh the entries
        return turn(self._columns(), self.shape[0])

    def _columns(self) -> Compressed:
        return Compressed(self.data, self.indices, self.indptr)

    @property
    def T(self) -> CSR:  # noqa: N802 - the name NumPy gave it
        """The transpose, a CSR matrix on the same arrays: free."""
        return CSR._trusted((self.shape[1], self.shape[0]), **self.arrays)

    @classmethod
    def _from_triplets(cls, triplets: Triplets, block: Block) -> Self:
        row, col, data, shape = triplets
        return cls._trusted(shape, **compress(col, row, data, (shape[1], shape[0]))._asdict())

    @classmethod
    def _from_matrix(cls, A: Matrix, block: Block) -> Self:
        columns = A._columns()
        if columns is None:
            return cls._from_triplets(A.triplets(), block)
        if not A.has_canonical_format:
            col, sizes = expand(columns.indptr), (A.shape[1], A.shape[0])
            columns = compress(col, columns.indices, columns.data, sizes)
        return cls._trusted(A.shape, **columns._asdict())

    @classmethod
    def _from_entries(cls, triplets: Triplets, block: Block) -> Self:
        row, col, data, shape = triplets
        return cls._trusted(shape, **group(col, row, data, shape[1])._asdict())

    @classmethod
    def _from_dense(cls, x: Array, block: Block) -> Self:
        if x.flags.f_contiguous:
            return cls._trusted(x.shape, **rows_of_dense(x.T)._asdict())
        # Turning the entries around takes less time than turning a dense array around.
        return cls._trusted(x.shape, **turn(rows_of_dense(x), x.shape[1])._asdict())

    @classmethod
    def _predicted_bytes(cls, pattern: "Pattern", block: Block, itemsize: int) -> int:
        width = index_dtype(pattern.shape, pattern.nnz).itemsize
        return pattern.nnz * (itemsize + width) + (pattern.shape[1] + 1) * width
