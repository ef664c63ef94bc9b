"""One question to an implementation, before it is written down in the arrays of some format."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets

Layout = Literal["C", "F", "strided", "backwards", "sliced", "read-only", "A strided"]
LAYOUTS: tuple[Layout, ...] = (
    "C", "F", "strided", "backwards", "sliced", "read-only", "A strided",
)  # fmt: skip
"""How arrays lie in memory; all but the last two speak of the dense operand."""


@dataclass(frozen=True)
class Problem:
    """A sparse matrix, a dense one, and everything that should make no difference.

    Attributes
    ----------
    label : str
        What is hard about it.
    a : Triplets
        ``[M, K]``. Formats keep the order of the entries as far as they can.
    b : ndarray, shape (K, N)
        The dense factor; products with a vector take its first column.
    bias : ndarray, shape (M,)
        For ops that take one.
    index_dtypes : tuple of str
        Dtypes of pointers and of indices (of rows and of columns, for coo).
    layout : str
        One of :data:`LAYOUTS`.
    block : tuple of int
        Height and width of blocks, for bsr.
    earlier : ndarray, shape (nnz,), or None
        Other values with which the same index arrays are used in a call before this one.
    in_place : bool
        Whether then the array of values is the same too, overwritten between the calls.
    is_canonical : bool
        Whether formats that make entries of their own, blocks and second matrices, should also
        have them sorted and each cell once.
    """

    label: str
    a: Triplets
    b: Array
    bias: Array
    index_dtypes: tuple[str, str] = ("int32", "int32")
    layout: Layout = "C"
    block: tuple[int, int] = (2, 3)
    earlier: Array | None = None
    in_place: bool = field(default=False)
    is_canonical: bool = False

    def with_entries(self, keep: Array) -> "Problem":
        """Return it with some of the stored entries: a mask, or their numbers in a new order."""
        a = self.a
        left = Triplets(a.row[keep], a.col[keep], a.data[keep], a.shape)
        earlier = None if self.earlier is None else self.earlier[keep]
        return replace(self, a=left, earlier=earlier)


def arrange(x: Array, layout: Layout) -> Array:
    """Return a copy of ``x [...]`` that lies in memory in the given way.

    Examples
    --------
    >>> arrange(np.ones((4, 4)), "strided").strides
    (288, 24)
    """
    if layout == "F":
        return np.asfortranarray(x.copy())
    if layout == "strided":
        room = np.zeros([3 * n for n in x.shape], x.dtype)
        room[tuple(slice(None, None, 3) for _ in x.shape)] = x
        return room[tuple(slice(None, None, 3) for _ in x.shape)]
    if layout == "sliced":  # as the middle of a larger array: rows apart, elements side by side
        around = np.ones([n + 2 for n in x.shape], x.dtype)
        around[tuple(slice(1, -1) for _ in x.shape)] = x
        return around[tuple(slice(1, -1) for _ in x.shape)]
    if layout == "backwards":
        turn = tuple(slice(None, None, -1) for _ in x.shape)
        return np.ascontiguousarray(x[turn])[turn]
    return np.array(x, order="C")


def fitting_index_dtype(wanted: str, largest: int) -> str:
    """Return ``wanted`` if it holds ``largest``, else int32."""
    return wanted if largest <= np.iinfo(wanted).max else "int32"


def cell_numbers(a: Triplets) -> Array:
    """Return for each entry the number of its cell, ``row * columns + column``, as int64.

    Examples
    --------
    >>> cell_numbers(Triplets(np.array([0, 2]), np.array([1, 0]), np.zeros(2), (3, 4)))
    array([1, 8])
    """
    numbers: Array = a.row.astype(np.int64) * max(1, a.shape[1]) + a.col
    return numbers


def has_duplicates(a: Triplets) -> bool:
    """Tell whether a cell is stored twice."""
    cells = cell_numbers(a)
    return len(np.unique(cells)) < len(cells)


def is_sorted(a: Triplets) -> bool:
    """Tell whether the columns of each row never decrease, in whatever order rows come."""
    by_row = cell_numbers(a)[np.argsort(a.row, kind="stable")]
    return not (by_row[1:] < by_row[:-1]).any()


def describe(problem: Problem) -> str:
    """Say what is not plain about a problem: what a failure's smallest input still needs."""
    a = problem.a
    finite = bool(np.isfinite(a.data).all() and np.isfinite(problem.b).all())
    found = {
        "nothing stored": not len(a.row),
        "empty rows": 0 < len(np.unique(a.row)) < a.shape[0],
        "unsorted": not is_sorted(a),
        "duplicates": has_duplicates(a),
        "explicit zeros": bool((a.data == 0).any()),
        "NaN or infinities": not finite,
        f"layout {problem.layout}": problem.layout != "C",
        f"indices {problem.index_dtypes}": problem.index_dtypes != ("int32", "int32"),
        "a call before with other values": problem.earlier is not None,
        f"dtype {a.data.dtype}": a.data.dtype != np.float32,
        f"b of {problem.b.dtype}": problem.b.dtype != a.data.dtype,
    }
    notes = [note for note, holds in found.items() if holds]
    return ", ".join(notes) or f"a plain {a.shape[0]}x{a.shape[1]} matrix"
