"""COO, coordinates: each stored entry with its row and its column, in any order."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError
from minisparse.core.index import index_dtype
from minisparse.core.triplets import Triplets
from minisparse.core.xp import check_one_place
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import expand, starts_of_runs, sum_runs
from minisparse.formats.csr import CSR
from minisparse.formats.holder import Block
from minisparse.formats.intake import as_integers, as_shape, as_values, check_range
from minisparse.formats.ordering import is_ordered, lexical_order

if TYPE_CHECKING:
    from minisparse.formats.pattern import Pattern


class COO(Matrix):
    """Coordinates.

    Parameters
    ----------
    data : array_like, shape (nnz,)
        Stored values.
    row, col : array_like of int, shape (nnz,)
        Row and column of each value.
    shape : tuple of int
        ``(M, K)``.

    Raises
    ------
    FormatError
        With the number of the first broken rule:
        F1 the shape is two integers of at least 0;
        F2 data is 1-D (DTypeError: of a supported dtype);
        F3 row and col are 1-D and hold integers;
        F4 row and col have as many elements as data;
        F5 every row is a row of the matrix;
        F6 every col is a column of the matrix.

    Notes
    -----
    Entries may stand in any order, and a cell stored twice counts twice. Sorted means by row,
    then by column. Indices become int32, or int64 where the shape or ``nnz`` exceeds
    ``INT32_LIMIT``.
    Arrays that fit are not copied: write into them later, and the matrix changes or breaks.

    Examples
    --------
    >>> from minisparse.formats import COO
    >>> A = COO([1, 2, 3], [0, 1, 0], [1, 0, 1], (2, 2))
    >>> A.to_dense()
    array([[0, 4],
           [2, 0]])
    >>> A.has_canonical_format, A.canonical().nnz
    (False, 2)
    """

    format = "coo"
    roles: ClassVar[Mapping[str, str]] = {"data": "values", "row": "indices", "col": "indices"}

    row: Array
    col: Array

    def __init__(self, data: Any, row: Any, col: Any, shape: tuple[int, int]) -> None:
        shape = as_shape(shape, "COO (F1)")
        data = as_values(data, 1, "COO (F2): data")
        row = as_integers(row, 1, "COO (F3): row")
        col = as_integers(col, 1, "COO (F3): col")
        _check(data, row, col, shape)
        self._store(shape, {"data": data, "row": row, "col": col})

    def check(self) -> None:
        """Verify every invariant; raise FormatError naming the first broken one."""
        _check(self.data, self.row, self.col, self.shape)
        self._forget_facts()

    def triplets(self) -> Triplets:
        """Return the stored entries, in stored order."""
        return Triplets(self.row, self.col, self.data, self.shape)

    @cached_property
    def has_sorted_indices(self) -> bool:
        """Whether entries are sorted by row, then by column."""
        return is_ordered(self.row, self.col)

    @cached_property
    def has_canonical_format(self) -> bool:
        """Whether entries are sorted and no cell is stored twice."""
        return self.has_sorted_indices and bool(starts_of_runs(self.row, self.col).all())

    @property
    def T(self) -> "COO":  # noqa: N802 - the name NumPy gave it
        """The transpose, on the same arrays and in the same order: free."""
        shape = self.shape[1], self.shape[0]
        return self._trusted(shape, data=self.data, row=self.col, col=self.row)

    @classmethod
    def _from_triplets(cls, triplets: Triplets, block: Block) -> Self:
        row, col, data, shape = triplets
        order = lexical_order(row, col, shape)
        if order is not None:
            row, col, data = row[order], col[order], data[order]
        first = starts_of_runs(row, col)
        if not first.all():
            row, col, data = row[first], col[first], sum_runs(data, first)
        return cls._trusted(shape, data=data, row=row, col=col)

    @classmethod
    def _from_dense(cls, x: Array, block: Block) -> Self:
        return cls._from_matrix(CSR._from_dense(x, None), None)

    @classmethod
    def _from_matrix(cls, A: Matrix, block: Block) -> Self:
        rows = A._rows()
        if rows is None or not A.has_canonical_format:
            return cls._from_triplets(A.triplets(), block)
        row = expand(rows.indptr, count=len(rows.data))
        return cls._trusted(A.shape, data=rows.data, row=row, col=rows.indices)

    @classmethod
    def _from_entries(cls, triplets: Triplets, block: Block) -> Self:
        row, col, data, shape = triplets
        return cls._trusted(shape, data=data, row=row, col=col)

    @classmethod
    def _predicted_bytes(cls, pattern: "Pattern", block: Block, itemsize: int) -> int:
        return pattern.nnz * (itemsize + 2 * index_dtype(pattern.shape, pattern.nnz).itemsize)


def _check(data: Array, row: Array, col: Array, shape: tuple[int, int]) -> None:
    """Verify rules F4 to F6 on integers of any width."""
    if not type(data) is type(row) is type(col):
        check_one_place("COO", {"data": data, "row": row, "col": col})
    for name, array in (("row", row), ("col", col)):
        if len(array) != len(data):
            raise FormatError(
                f"COO (F4): {name} has {len(array)} elements but data has {len(data)}: each "
                f"stored value needs one row and one column"
            )
    check_range(row, shape[0], "COO (F5): row", "rows")
    check_range(col, shape[1], "COO (F6): col", "columns")
