"""CSR, compressed sparse rows: the entries of each row side by side, row after row.

Entry p of row m is ``A[m, indices[p]] = data[p]`` for ``indptr[m] <= p < indptr[m + 1]``.
After Tinney and Walker, Proc. IEEE 55(11), 1967, who first stored a matrix so.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.index import index_dtype
from minisparse.core.triplets import Triplets
from minisparse.core.xp import namespace
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import (
    Compressed,
    check_compressed,
    compress,
    expand,
    group,
    is_increasing,
    put_at,
    turn,
)
from minisparse.formats.dense import rows_of_dense
from minisparse.formats.holder import Block
from minisparse.formats.intake import as_integers, as_shape, as_values
from minisparse.formats.ordering import CHUNK

if TYPE_CHECKING:
    from minisparse.formats.csc import CSC
    from minisparse.formats.pattern import Pattern


class CSR(Matrix):
    """Compressed sparse rows.

    Parameters
    ----------
    data : array_like, shape (nnz,)
        Stored values.
    indices : array_like of int, shape (nnz,)
        The column of each value.
    indptr : array_like of int, shape (M + 1,)
        Where each row starts in ``data`` and ``indices``; the last is ``nnz``.
    shape : tuple of int
        ``(M, K)``.

    Raises
    ------
    FormatError
        With the number of the first broken rule:
        F1 the shape is two integers of at least 0;
        F2 data is 1-D (DTypeError: of a supported dtype);
        F3 indices and indptr are 1-D and hold integers;
        F4 indptr has M + 1 elements;
        F5 indices has as many elements as data;
        F6 indptr starts at 0;
        F7 indptr does not decrease;
        F8 indptr ends at the number of stored values;
        F9 every index is a column of the matrix.

    Notes
    -----
    Indices become int32, or int64 where the shape or ``nnz`` exceeds ``INT32_LIMIT``.
    Columns may be unsorted within a row, and a cell stored twice counts twice: such a matrix is
    valid but not canonical.
    Arrays that fit are not copied: write into them later, and the matrix changes or breaks.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 2.0, 3.0], [0, 2, 1], [0, 2, 3], (2, 3))
    >>> A
    CSR(2x3 float64, 3 stored, density 0.5, 0.048 kB)
    >>> A.to_dense()
    array([[1., 0., 2.],
           [0., 3., 0.]])
    """

    format = "csr"
    roles: ClassVar[Mapping[str, str]] = {
        "data": "values",
        "indices": "indices",
        "indptr": "pointers",
    }

    indices: Array
    indptr: Array

    def __init__(self, data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> None:
        shape = as_shape(shape, "CSR (F1)")
        arrays = Compressed(
            as_values(data, 1, "CSR (F2): data"),
            as_integers(indices, 1, "CSR (F3): indices"),
            as_integers(indptr, 1, "CSR (F3): indptr"),
        )
        check_compressed(arrays, shape, "CSR", ("rows", "columns"))
        self._store(shape, arrays._asdict())

    def check(self) -> None:
        """Verify every invariant; raise FormatError naming the first broken one."""
        arrays = Compressed(self.data, self.indices, self.indptr)
        check_compressed(arrays, self.shape, "CSR", ("rows", "columns"))
        self._forget_facts()

    def triplets(self) -> Triplets:
        """Return the stored entries as coordinates, in stored order."""
        return Triplets(expand(self.indptr, count=self.nnz), self.indices, self.data, self.shape)

    @cached_property
    def has_sorted_indices(self) -> bool:
        """Whether columns never decrease within a row."""
        return is_increasing(self.indices, self.indptr, strictly=False)

    @cached_property
    def has_canonical_format(self) -> bool:
        """Whether columns strictly increase within a row: sorted, and no cell stored twice."""
        return is_increasing(self.indices, self.indptr, strictly=True)

    def _rows(self) -> Compressed:
        return Compressed(self.data, self.indices, self.indptr)

    def _columns(self) -> Compressed:
        return turn(self._rows(), self.shape[1])

    def to_dense(self) -> Array:
        """Return a plain array ``[M, K]``; duplicates are summed in stored order."""
        (m, k), distinct = self.shape, self.has_canonical_format
        xp = namespace(self.data)
        dense: Array = xp.zeros((m, k), self.dtype)
        # By a few rows at a time, so that their cells' numbers stay in a cache; not on a card.
        step = max(1, min(m, CHUNK * m // max(self.nnz, 1))) if xp is np else max(1, m)
        starts = xp.arange(step, dtype=np.intp) * k
        for i in range(0, m, step):
            indptr = self.indptr[i : i + step + 1]
            part = slice(int(indptr[0]), int(indptr[-1]))
            cell = np.repeat(starts[: len(indptr) - 1], np.diff(indptr))
            cell += self.indices[part]
            put_at(dense[i : i + step].reshape(-1), cell, self.data[part], distinct=distinct)
        return dense

    @property
    def T(self) -> "CSC":  # noqa: N802 - the name NumPy gave it
        """The transpose, a CSC matrix on the same arrays: free."""
        from minisparse.formats.csc import CSC

        return CSC._trusted((self.shape[1], self.shape[0]), **self.arrays)

    @classmethod
    def _from_triplets(cls, triplets: Triplets, block: Block) -> Self:
        row, col, data, shape = triplets
        return cls._trusted(shape, **compress(row, col, data, shape)._asdict())

    @classmethod
    def _from_matrix(cls, A: Matrix, block: Block) -> Self:
        rows = A._rows()
        if rows is None:
            return cls._from_triplets(A.triplets(), block)
        if not A.has_canonical_format:
            rows = compress(expand(rows.indptr), rows.indices, rows.data, A.shape)
        return cls._trusted(A.shape, **rows._asdict())

    @classmethod
    def _from_entries(cls, triplets: Triplets, block: Block) -> Self:
        row, col, data, shape = triplets
        return cls._trusted(shape, **group(row, col, data, shape[0])._asdict())

    @classmethod
    def _from_dense(cls, x: Array, block: Block) -> Self:
        return cls._trusted(x.shape, **rows_of_dense(x)._asdict())

    @classmethod
    def _predicted_bytes(cls, pattern: "Pattern", block: Block, itemsize: int) -> int:
        width = index_dtype(pattern.shape, pattern.nnz).itemsize
        return pattern.nnz * (itemsize + width) + (pattern.shape[0] + 1) * width
