"""BSR, blocked sparse rows: CSR whose entries are dense r x c blocks.

Block p of block row i holds the rows ``i * r …`` and the columns ``indices[p] * c …`` of A, for
``indptr[i] <= p < indptr[i + 1]``. Where r does not divide M, or c does not divide K, the last
blocks reach beyond the matrix; what they hold there is padding, and zero.
"""

import operator
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import FormatError, UsageError
from minisparse.core.index import index_dtype
from minisparse.core.triplets import Triplets
from minisparse.core.xp import is_on_gpu, namespace
from minisparse.formats.base import Matrix
from minisparse.formats.blocking import (
    block_grid,
    blocks_by_marking,
    blocks_by_sorting,
    blocks_of_dense,
    is_roomy,
)
from minisparse.formats.compressed import (
    Compressed,
    check_compressed,
    compress,
    expand,
    group,
    is_increasing,
    pointers,
    put_at,
)
from minisparse.formats.holder import Block
from minisparse.formats.intake import as_integers, as_shape, as_values, first_true

if TYPE_CHECKING:
    from minisparse.formats.pattern import Pattern

_UNITS = ("block rows", "block columns")


class BSR(Matrix):
    """Blocked sparse rows.

    Parameters
    ----------
    data : array_like, shape (nblocks, r, c)
        Stored blocks.
    indices : array_like of int, shape (nblocks,)
        The block column of each block: its columns are ``indices[p] * c`` and the c - 1 after.
    indptr : array_like of int, shape (ceil(M / r) + 1,)
        Where each block row starts in ``data`` and ``indices``; the last is ``nblocks``.
    shape : tuple of int
        ``(M, K)``, not necessarily multiples of r and c: the last blocks are padded with zeros.

    Raises
    ------
    FormatError
        With the number of the first broken rule:
        F1 the shape is two integers of at least 0;
        F2 data is 3-D, its blocks at least 1 x 1 (DTypeError: of a supported dtype);
        F3 indices and indptr are 1-D and hold integers;
        F4 indptr has ceil(M / r) + 1 elements;
        F5 there are as many indices as blocks;
        F6 indptr starts at 0;
        F7 indptr does not decrease;
        F8 indptr ends at the number of blocks;
        F9 every index is a block column of the matrix;
        F10 what a block holds beyond the shape is zero.

    Notes
    -----
    ``nnz`` counts every stored value: zeros inside blocks, and padding beyond the shape. Indices
    become int32, or int64 where the shape or ``nnz`` exceeds ``INT32_LIMIT``.
    Arrays that fit are not copied: write into them later, and the matrix changes or breaks.

    Examples
    --------
    >>> from minisparse.formats import BSR
    >>> A = BSR([[[1, 2], [3, 4]], [[5, 0], [6, 0]]], [0, 1], [0, 2], (2, 3))
    >>> A
    BSR(2x3 2x2 int64, 8 stored, density 1.33, 0.08 kB)
    >>> A.to_dense()
    array([[1, 2, 5],
           [3, 4, 6]])
    """

    format = "bsr"
    roles: ClassVar[Mapping[str, str]] = {
        "data": "values",
        "indices": "indices",
        "indptr": "pointers",
    }
    layout_names = ("block",)

    indices: Array
    indptr: Array

    def __init__(self, data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> None:
        shape = as_shape(shape, "BSR (F1)")
        arrays = Compressed(
            as_values(data, 3, "BSR (F2): data"),
            as_integers(indices, 1, "BSR (F3): indices"),
            as_integers(indptr, 1, "BSR (F3): indptr"),
        )
        if 0 in arrays.data.shape[1:]:
            raise FormatError(
                f"BSR (F2): data has shape {arrays.data.shape}: blocks must be at least 1x1"
            )
        check_compressed(arrays, block_grid(shape, arrays.data.shape[1:]), "BSR", _UNITS)
        self._store(shape, arrays._asdict())
        self._check_padding()

    def check(self) -> None:
        """Verify every invariant; raise FormatError naming the first broken one."""
        arrays = Compressed(self.data, self.indices, self.indptr)
        check_compressed(arrays, block_grid(self.shape, self.block), "BSR", _UNITS)
        self._check_padding()
        self._forget_facts()

    def _check_padding(self) -> None:
        padding = self._padding()
        wrong = None if padding is None else padding & (self.data != 0)
        if wrong is not None and wrong.any():
            (m, k), (row, col) = self.shape, self._coordinates()
            p, i, j = first_true(wrong)
            raise FormatError(
                f"BSR (F10): data[{p}, {i}, {j}] is {self.data[p, i, j]} but stands for "
                f"A[{row[p, i, 0]}, {col[p, 0, j]}], outside the shape {m}x{k}: "
                f"padding must be zero"
            )

    def _padding(self) -> Array | None:
        if not self._is_padded:
            return None
        row, col = self._coordinates()
        outside: Array = (row >= self.shape[0]) | (col >= self.shape[1])
        return outside

    @property
    def block(self) -> tuple[int, int]:
        """Height and width of the blocks."""
        return self.data.shape[1], self.data.shape[2]

    @property
    def _is_padded(self) -> bool:
        """Whether the last blocks reach beyond the shape."""
        return self.shape[0] % self.block[0] != 0 or self.shape[1] % self.block[1] != 0

    def _coordinates(self) -> tuple[Array, Array]:
        """Return rows ``[nblocks, r, 1]`` and columns ``[nblocks, 1, c]`` of every stored value."""
        (r, c), width, xp = self.block, self._coordinate_dtype, namespace(self.data)
        lines = expand(self.indptr, count=len(self.indices))
        block_row = lines.astype(width, copy=False)[:, None, None]
        block_col = self.indices.astype(width, copy=False)[:, None, None]
        row: Array = block_row * r + xp.arange(r, dtype=width)[:, None]
        col: Array = block_col * c + xp.arange(c, dtype=width)
        return row, col

    @property
    def _coordinate_dtype(self) -> DType:
        """Wide enough for the padding too, which reaches beyond the shape."""
        (rows, cols), (r, c) = block_grid(self.shape, self.block), self.block
        return index_dtype((rows * r, cols * c), self.nnz)

    def triplets(self) -> Triplets:
        """Return every value of every block, row by row; padding beyond the shape left out.

        Within a row, blocks come in stored order: the entries of a canonical matrix are sorted.
        """
        row, count, col, data = self._lines()
        return Triplets(np.repeat(row, count), col, data, self.shape)

    def _rows(self) -> Compressed | None:
        if self.shape[0] > self.nnz:
            return None  # pointers to every row would outweigh the entries
        row, count, col, data = self._lines()
        every = namespace(row).zeros(self.shape[0], count.dtype)
        every[row] = count
        width = index_dtype(self.shape, len(data))
        indptr = pointers(every).astype(width, copy=False)
        return Compressed(data, col.astype(width, copy=False), indptr)

    def _columns(self) -> Compressed | None:
        return self.T._rows()  # turning blocks takes less time than turning their entries

    def _lines(self) -> tuple[Array, Array, Array, Array]:
        """Return the rows of block rows with blocks, the length of each, and columns and values.

        Row i of a block row is row i of each of its blocks, side by side: no sort is needed, only
        a gather of chunks of c neighbors.
        """
        (r, c), (m, k), width = self.block, self.shape, self._coordinate_dtype
        xp = namespace(self.data)
        blocks = np.diff(self.indptr)
        block_row = np.repeat(np.flatnonzero(blocks), r)
        i = np.tile(xp.arange(r), len(block_row) // r)
        row = block_row * r + i
        end = int(np.searchsorted(row, m))  # behind it all is padding
        block_row, i, row = block_row[:end], i[:end], row[:end]
        count = blocks[block_row]
        chunks = pointers(count)
        block = xp.arange(int(chunks[-1])) + np.repeat(self.indptr[block_row] - chunks[:-1], count)
        col = self.indices[:, None].astype(width) * c + xp.arange(c, dtype=width)
        col = col.take(block, axis=0).reshape(-1)
        block *= r
        block += np.repeat(i, count)
        data = self.data.reshape(-1, c).take(block, axis=0).reshape(-1)
        row, count = row.astype(width), count * c
        if k % c:
            inside = col < k
            count = np.diff(pointers(inside)[chunks * c])
            col, data = col[inside], data[inside]
        return row, count, col, data

    def to_dense(self) -> Array:
        """Return a plain array ``[M, K]``; duplicates are summed in stored order."""
        (rows, columns), (r, c) = block_grid(self.shape, self.block), self.block
        xp = namespace(self.data)
        dense = xp.zeros((rows, r, columns, c), self.dtype)
        blocks = dense.transpose(0, 2, 1, 3)
        distinct = is_on_gpu(self.data) and self.has_canonical_format
        place = expand(self.indptr, count=len(self.indices)), self.indices
        put_at(blocks, place, self.data, distinct=distinct)
        whole = dense.reshape(rows * r, columns * c)
        found: Array = xp.ascontiguousarray(whole[: self.shape[0], : self.shape[1]])
        return found

    @cached_property
    def has_sorted_indices(self) -> bool:
        """Whether block columns never decrease within a block row."""
        return is_increasing(self.indices, self.indptr, strictly=False)

    @cached_property
    def has_canonical_format(self) -> bool:
        """Whether block columns strictly increase within a block row."""
        return is_increasing(self.indices, self.indptr, strictly=True)

    @property
    def T(self) -> "BSR":  # noqa: N802 - the name NumPy gave it
        """The transpose, with blocks of c x r; linear, since the blocks are sorted anew."""
        columns = block_grid(self.shape, self.block)[1]
        turned = group(self.indices, expand(self.indptr), self.data.transpose(0, 2, 1), columns)
        shape = self.shape[1], self.shape[0]
        return self._trusted(
            shape,
            data=namespace(turned.data).ascontiguousarray(turned.data),
            indices=turned.indices,
            indptr=turned.indptr,
        )

    def canonical(self) -> "BSR":
        """Return the same matrix sorted and with duplicate blocks summed; itself if it is so."""
        if self.has_canonical_format:
            return self
        grid = block_grid(self.shape, self.block)
        merged = compress(expand(self.indptr), self.indices, self.data, grid)
        return self._trusted(self.shape, **merged._asdict())

    @classmethod
    def _as_block(cls, layout: Mapping[str, Any]) -> tuple[int, int]:
        block = layout["block"]
        try:
            r, c = map(operator.index, block)
        except (TypeError, ValueError):
            r = c = 0
        if r < 1 or c < 1:
            raise UsageError(
                f"bsr: block is {block!r}: it must be two integers of at least 1, as in "
                f"block=(4, 4)"
            )
        return r, c

    @classmethod
    def _from_triplets(cls, triplets: Triplets, block: Block) -> Self:
        gathered = blocks_by_sorting(triplets, block or (1, 1))
        return cls._trusted(triplets.shape, **gathered._asdict())

    @classmethod
    def _from_matrix(cls, A: Matrix, block: Block) -> Self:
        block = block or (1, 1)
        if is_on_gpu(A.data) or is_roomy(A.nnz, A.shape, block):
            gathered = blocks_by_sorting(A.triplets(), block, distinct=A.has_canonical_format)
            return cls._trusted(A.shape, **gathered._asdict())
        rows, distinct = A._rows(), A.has_canonical_format
        if rows is None:
            rows, distinct = compress(*A.triplets()[:3], A.shape), True
        gathered = blocks_by_marking(rows, A.shape, block, distinct=distinct)
        return cls._trusted(A.shape, **gathered._asdict())

    @classmethod
    def _from_dense(cls, x: Array, block: Block) -> Self:
        gathered = blocks_of_dense(x, block or (1, 1))
        return cls._trusted(x.shape, **gathered._asdict())

    @classmethod
    def _predicted_bytes(cls, pattern: "Pattern", block: Block, itemsize: int) -> int:
        r, c = block or (1, 1)
        blocks = pattern.count_blocks(r, c)
        width = index_dtype(pattern.shape, blocks * r * c).itemsize
        grid = block_grid(pattern.shape, (r, c))
        return blocks * (r * c * itemsize + width) + (grid[0] + 1) * width
