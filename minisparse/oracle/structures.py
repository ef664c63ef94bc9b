"""The verdict on a sparse matrix that came back as plain arrays: its structure, then its values.

First the arrays themselves are looked at, as a stranger's: how many, of which dtypes and lengths,
pointers that start at 0 and do not fall, indices in range. Then the cells that are stored are held
against those that must be and those that may be; and at last what stands in them against the exact
values. One cell is judged by the sum of what is stored for it, unless it may be stored only once.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.triplets import Triplets
from minisparse.oracle.problem import cell_numbers
from minisparse.oracle.sums import exact_products
from minisparse.oracle.truth import Truth
from minisparse.oracle.verdict import FAIL, Judgement, judge

Kind = Literal["csr", "csc", "coo", "bsr"]


@dataclass(frozen=True)
class SparseTruth:
    """What a returned sparse matrix must be.

    Attributes
    ----------
    kind : {"csr", "csc", "coo", "bsr"}
        Which arrays are returned: pointers, indices and data; for ``"coo"`` row, col and data.
    shape : tuple of int
        ``(M, K)``.
    row, col : ndarray of int, shape (n,)
        The cells that may be stored, by row and then by column, each once.
    values : Truth, shape (n,)
        What stands there.
    optional : ndarray of bool, shape (n,)
        Which of them may be left out.
    is_sorted : bool
        Whether indices must increase within each line (or cells within COO).
    is_distinct : bool
        Whether a cell may be stored only once.
    block : tuple of int
        Height and width of BSR's blocks; all cells of a stored block are stored.
    negative_zero : ndarray of bool, shape (n,)
        Where -0.0 must be stored; by default the sign of a zero is ignored.
    """

    kind: Kind
    shape: tuple[int, int]
    row: Array
    col: Array
    values: Truth
    optional: Array
    is_sorted: bool = False
    is_distinct: bool = True
    block: tuple[int, int] = (1, 1)
    negative_zero: Array | None = None

    def judge(self, got: Any) -> Judgement:
        """Tell whether the arrays are such a matrix, by rules ``structure`` and ``pattern`` too."""
        problem = self._wrong_form(got)
        if problem:
            return Judgement(FAIL, "structure", np.inf, message=problem)
        arrays = [np.asarray(x) for x in got]
        if arrays[2].dtype != self.values.dtype:
            text = f"data has dtype {arrays[2].dtype} but must have {self.values.dtype}"
            return Judgement(FAIL, "dtype", np.inf, message=text)
        entries = self._decoded(arrays)
        problem = self._wrong_order(entries)
        if problem:
            return Judgement(FAIL, "structure", np.inf, message=problem)
        return self._judge_cells(entries)

    def rounded(self) -> dict[str, Array]:
        """Return the cells and the exact values, rounded; those that may be left out among them."""
        return {"row": self.row, "col": self.col, "data": self.values.rounded()}

    # -- the arrays ------------------------------------------------------------------------------

    @property
    def _names(self) -> tuple[str, str, str]:
        return ("row", "col", "data") if self.kind == "coo" else ("indptr", "indices", "data")

    @property
    def _lines(self) -> tuple[int, int]:
        """Return the numbers of major and minor lines: rows and columns of blocks, for BSR."""
        (m, k), (r, c) = self.shape, self.block
        return (k, m) if self.kind == "csc" else (-(-m // r), -(-k // c))

    def _wrong_form(self, got: Any) -> str:
        """Return what is wrong with the arrays by themselves; nothing if they can be read."""
        if not isinstance(got, tuple | list) or len(got) != 3:
            return f"returned {_told(got)}, but must return the arrays {', '.join(self._names)}"
        for name, x in zip(self._names, got, strict=True):
            if not isinstance(x, np.ndarray):
                return f"{name} is a {type(x).__name__}, but must be a numpy.ndarray"
            dims = 3 if (self.kind, name) == ("bsr", "data") else 1
            if x.ndim != dims:
                return f"{name} has shape {x.shape}, but must have {dims} dimension(s)"
            if name != "data" and x.dtype.kind not in "iu":
                return f"{name} has dtype {x.dtype}, but must hold integers"
        first, second, data = got
        if self.kind == "bsr" and data.shape[1:] != self.block:
            return f"data has blocks of {data.shape[1:]}, but they must be {self.block}"
        if len(second) != len(data):
            return f"{self._names[1]} has {len(second)} elements, but data has {len(data)}"
        majors, minors = self._lines
        if self.kind == "coo":
            if len(first) != len(data):
                return f"row has {len(first)} elements, but data has {len(data)}"
            return _out_of_range("row", first, majors) or _out_of_range("col", second, minors)
        return _wrong_pointers(first, majors, len(data)) or _out_of_range("indices", second, minors)

    def _decoded(self, arrays: list[Array]) -> Triplets:
        """Return the stored entries in their order; of blocks, the cells inside the shape."""
        first, second, data = arrays
        minor = second.astype(np.int64)
        if self.kind == "coo":
            return Triplets(first.astype(np.int64), minor, data, self.shape)
        indptr: Array = first.astype(np.int64)
        major = np.repeat(np.arange(len(first) - 1), indptr[1:] - indptr[:-1])
        if self.kind == "csc":
            return Triplets(minor, major, data, self.shape)
        m, k = self.shape
        row, col = cells_of_blocks(major, minor, self.block)
        inside = (row < m) & (col < k)
        data = data.reshape(-1)
        return Triplets(row[inside], col[inside], data[inside], self.shape)

    def _wrong_order(self, entries: Triplets) -> str:
        """Return what is wrong with the order or the number of entries of a cell."""
        major, minor = entries.row, entries.col
        if self.kind == "csc":
            major, minor = minor, major
        if self.is_sorted:
            falls = (major[1:] < major[:-1]) | (
                (major[1:] == major[:-1]) & (minor[1:] < minor[:-1])
            )
            if falls.any():
                p = int(falls.argmax())
                return (
                    f"slot {p + 1} holds ({entries.row[p + 1]}, {entries.col[p + 1]}) after "
                    f"({entries.row[p]}, {entries.col[p]}), but entries must be sorted"
                )
        if self.is_distinct:
            cell = cell_numbers(entries)
            cells, counts = np.unique(cell, return_counts=True)
            if (counts > 1).any():
                m, k = divmod(int(cells[counts.argmax()]), max(1, self.shape[1]))
                return f"cell ({m}, {k}) is stored {counts.max()} times, but must be stored once"
        return ""

    # -- the cells -------------------------------------------------------------------------------

    def _judge_cells(self, entries: Triplets) -> Judgement:
        width = max(1, self.shape[1])
        wanted = self.row * width + self.col
        cell = cell_numbers(entries)
        at = np.searchsorted(wanted, cell)
        known = at < len(wanted)
        known[known] = wanted[at[known]] == cell[known]
        if not known.all():
            p = int((~known).argmax())
            text = f"cell ({entries.row[p]}, {entries.col[p]}) is stored, but must not be"
            return Judgement(FAIL, "pattern", np.inf, (p,), message=text)
        stored = np.zeros(len(wanted), bool)
        stored[at] = True
        missing = ~stored & ~self.optional
        if missing.any():
            i = int(missing.argmax())
            text = f"cell ({self.row[i]}, {self.col[i]}) is not stored, but must be"
            return Judgement(FAIL, "pattern", np.inf, message=text)
        summed = self._summed(entries, at)
        found = judge(summed[stored], self.values.map(lambda x: x[stored]))
        lost = self._lost_signs(entries, at)
        if found.verdict != FAIL and len(lost):
            p = int(lost[0])
            place = (int(entries.row[p]), int(entries.col[p]))
            text = f"cell {place} holds 0.0, but must keep the sign of its -0.0"
            return Judgement(FAIL, "value", np.inf, place, message=text)
        if found.verdict != FAIL or not found.position:
            return found
        i = int(np.flatnonzero(stored)[found.position[0]])
        message = found.message.replace(f"[{found.position[0]}] ", "", 1)
        place = (int(self.row[i]), int(self.col[i]))
        return replace(found, position=place, message=f"cell {place} {message}")

    def _lost_signs(self, entries: Triplets, at: Array) -> Array:
        """Return the slots that hold 0.0 where -0.0 must be."""
        if self.negative_zero is None:
            return np.zeros(0, int)
        return np.flatnonzero(self.negative_zero[at] & ~np.signbit(entries.data))

    def _summed(self, entries: Triplets, at: Array) -> Array:
        """Return what is stored for each cell; several entries are summed exactly."""
        dtype = self.values.dtype
        found = np.zeros(len(self.row), dtype)
        if len(np.unique(at)) == len(at):
            found[at] = entries.data
            return found
        slots = Triplets(at, np.zeros_like(at), entries.data, (len(self.row), 1))
        return exact_products(slots, np.ones((1, 1), dtype), dtype).truth().rounded()[:, 0]


def _told(got: Any) -> str:
    count = f" of {len(got)}" if isinstance(got, tuple | list) else ""
    return f"a {type(got).__name__}{count}"


def _out_of_range(name: str, x: Array, end: int) -> str:
    wrong = (x < 0) | (x >= end)
    if not wrong.any():
        return ""
    p = int(wrong.argmax())
    return f"{name}[{p}] is {x[p]}, but must be from 0 to {end - 1}"


def _wrong_pointers(indptr: Array, majors: int, stored: int) -> str:
    if len(indptr) != majors + 1:
        return f"indptr has {len(indptr)} elements, but must have {majors + 1}"
    if indptr[0] != 0 or indptr[-1] != stored:
        return f"indptr goes from {indptr[0]} to {indptr[-1]}, but must go from 0 to {stored}"
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        i = int(falls.argmax())
        return f"indptr[{i + 1}] is {indptr[i + 1]} after {indptr[i]}, but must not fall"
    return ""


def cells_of_blocks(
    block_row: Array, block_col: Array, block: tuple[int, int]
) -> tuple[Array, Array]:
    """Return rows and columns of all cells of blocks, ``[nblocks * r * c]``, row by row of each.

    Examples
    --------
    >>> cells_of_blocks(np.array([1]), np.array([0]), (1, 2))
    (array([1, 1]), array([0, 1]))
    """
    r, c = block
    shape = (len(block_row), r, c)
    row = (block_row * r)[:, None, None] + np.arange(r)[:, None]
    col = (block_col * c)[:, None, None] + np.arange(c)
    return np.broadcast_to(row, shape).ravel(), np.broadcast_to(col, shape).ravel()


def cells_of(entries: Triplets) -> tuple[Array, Array, Array]:
    """Return the cells that are stored, sorted, and for each entry the number of its cell."""
    width = max(1, entries.shape[1])
    cells, number = np.unique(cell_numbers(entries), return_inverse=True)
    row, col = np.divmod(cells, width)
    return row, col, number.reshape(-1)


def same_matrix(
    entries: Triplets, kind: Kind, *, is_sorted: bool, is_distinct: bool, **more: Any
) -> SparseTruth:
    """Return what a conversion must give: the same cells, of duplicates the sums."""
    row, col, number = cells_of(entries)
    dtype = entries.data.dtype
    slots = Triplets(number, np.zeros_like(number), entries.data, (len(row), 1))
    sums = exact_products(slots, np.ones((1, 1), dtype), dtype)
    # Duplicates may be summed in the matrix's own dtype, as they are stored.
    values = sums.truth(accumulates_in=_own(dtype)).map(lambda x: x[:, 0])
    never = np.zeros(len(row), bool)
    return SparseTruth(kind, entries.shape, row, col, values, never, is_sorted, is_distinct, **more)


def _own(dtype: DType) -> DType | None:
    return None if dtype.kind == "c" else dtype


def blocks_of(entries: Triplets, block: tuple[int, int]) -> SparseTruth:
    """Return what BSR's arrays must be: every block that holds an entry, whole, and once."""
    (r, c), (m, k) = block, entries.shape
    cells = same_matrix(entries, "bsr", is_sorted=False, is_distinct=True)
    grid = Triplets(cells.row // r, cells.col // c, cells.values.hi, (-(-m // r), -(-k // c)))
    block_row, block_col, _ = cells_of(grid)
    row, col = cells_of_blocks(block_row, block_col, block)
    order = np.lexsort((col, row))
    row, col = row[order], col[order]
    at = np.searchsorted(row * max(1, k) + col, cells.row * max(1, k) + cells.col)

    def spread(x: Array) -> Array:
        whole = np.zeros(len(row), x.dtype)
        whole[at] = x
        return whole

    never = np.zeros(len(row), bool)
    return SparseTruth("bsr", entries.shape, row, col, cells.values.map(spread), never, block=block)
