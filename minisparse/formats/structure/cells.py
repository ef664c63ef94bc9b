"""Cells instead of entries: what operations need that speak of the values of a matrix.

An entry is what is stored; a cell is what it adds up to. The two differ where a cell is stored
twice, and there ``f(a) + f(b)`` is not ``f(a + b)``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.errors import DTypeError, ShapeError
from minisparse.core.xp import check_one_place, is_on_gpu, namespace
from minisparse.formats.base import Matrix
from minisparse.formats.compressed import starts_of_runs
from minisparse.formats.ordering import lexical_order

SCALARS = (bool, int, float, complex, np.generic)
"""What counts as a number beside a matrix."""


def distinct(A: Matrix) -> Matrix:
    """Return A with no cell stored twice: A itself, in its order, where none is."""
    merged = A.canonical()
    return A if merged.nnz == A.nnz else merged


def mapped(A: Matrix, function: Callable[[Array], Array], where: str) -> Matrix:
    """Return A with ``function`` of its stored values; the stored positions stay.

    What lies beyond the shape, in the last blocks of BSR and the last groups of n:m, is not part
    of the matrix and stays zero, whatever the function makes of a zero.

    Raises
    ------
    DTypeError
        If NumPy has no such function for the dtype, or the result's is not supported.
    """
    try:
        with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
            data = function(A.data)
    except (TypeError, OverflowError) as error:
        raise DTypeError(f"{where}: A is {A.dtype}: {error}") from error
    as_dtype(data.dtype, where)
    padding = A._padding()
    if padding is not None:
        data = np.where(padding, data.dtype.type(0), data)
    return A.with_data(data)


class Paired(NamedTuple):
    """The cells that A or B stores, each once, with the values of both; 0 where one stores none."""

    row: Array
    col: Array
    a: Array
    b: Array
    in_both: Array


def paired(A: Matrix, B: Matrix, where: str) -> Paired:
    """Return the cells of two matrices side by side, duplicates summed.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    check_shapes(A, B, where)
    xp = namespace(A.data)
    left, right = A.canonical().triplets(), B.canonical().triplets()
    if np.array_equal(left.row, right.row) and np.array_equal(left.col, right.col):
        everywhere = xp.ones(len(left.row), bool)
        return Paired(left.row, left.col, left.data, right.data, everywhere)
    row = np.concatenate([left.row, right.row])
    col = np.concatenate([left.col, right.col])
    order = lexical_order(row, col, A.shape)
    if order is None:
        order = xp.arange(len(row))
    row, col = row[order], col[order]
    first = starts_of_runs(row, col)
    cell = xp.empty(len(row), np.intp)  # from entries, A's and then B's, to the cells below
    cell[order] = np.cumsum(first) - 1
    of_a, of_b = np.split(cell, [len(left.row)])
    count = int(first.sum())
    a, b = xp.zeros(count, A.dtype), xp.zeros(count, B.dtype)
    a[of_a], b[of_b] = left.data, right.data
    return Paired(row[first], col[first], a, b, np.bincount(cell, minlength=count) == 2)


def check_shapes(A: Matrix, B: Matrix, where: str) -> None:
    """Raise ShapeError if the shapes of two matrices that meet cell by cell differ.

    And UsageError if one lies on a card and the other does not.
    """
    if type(A.data) is not type(B.data):
        check_one_place(where, {"A": A.data, "B": B.data})
    if A.shape != B.shape:
        raise ShapeError(
            f"{where} (C1): A is {A.shape[0]}x{A.shape[1]} but B is {B.shape[0]}x{B.shape[1]}: "
            f"shapes must be equal"
        )


def as_scalar(x: Any) -> Any:
    """Return ``x`` as a number, out of an array without dimensions too; None if it is none.

    Out of one on a card it is fetched: what becomes of the zeros depends on it.
    """
    if isinstance(x, np.ndarray) and x.ndim == 0:
        x = x[()]
    elif is_on_gpu(x) and x.ndim == 0:
        x = x.get()[()]
    return x if isinstance(x, SCALARS) else None


def is_array(x: Any) -> bool:
    """Tell whether ``x`` is a plain array, a list, or a sparse array of another library."""
    return isinstance(x, np.ndarray | list | tuple) or hasattr(x, "tocoo") or is_on_gpu(x)
