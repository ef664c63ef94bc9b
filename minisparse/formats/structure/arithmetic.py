"""Cell by cell: ``+``, ``-`` and ``*`` of two matrices, ``*`` and ``/`` by a number, and signs.

Sums store what either operand stores, and a cell that cancels keeps its slot; products store what
both store. A cell that is not stored is not computed with (S1): beside an infinity it gives
nothing, where a dense matrix would give NaN.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import as_dtype
from minisparse.core.errors import DTypeError, UnsupportedOpError
from minisparse.formats.base import Matrix
from minisparse.formats.nm import NM
from minisparse.formats.structure.cells import as_scalar, check_shapes, distinct, is_array, mapped
from minisparse.formats.structure.merging import product_of, sum_of
from minisparse.formats.structure.results import common_dtype, common_layout

_SYMBOLS: dict[np.ufunc, str] = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.true_divide: "/",
}


def combine(A: Matrix, other: Any, function: np.ufunc, *, swapped: bool = False) -> Any:
    """Return ``A + other``, or what ``function`` stands for; with ``swapped``, ``other + A``.

    Parameters
    ----------
    A : Matrix
        Any format.
    other : Matrix or scalar
        A matrix of A's shape, or a number that leaves at zero what is not stored: any for ``*``
        and ``A / number``, only 0 for ``+`` and ``-``.
    function : numpy.ufunc
        ``np.add``, ``np.subtract``, ``np.multiply`` or ``np.true_divide``.

    Returns
    -------
    Matrix
        Duplicates summed. With a number: A's format and stored positions. Of two matrices: in
        the format and block that they share, else in CSR. ``NotImplemented`` for other things.

    Raises
    ------
    UnsupportedOpError
        If the result would be dense, or ``other`` is.
    ShapeError, DTypeError
        If shapes differ, or dtypes do not mix.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> A = from_dense([[1.0, 0.0], [2.0, 0.0]], "csr")
    >>> B = from_dense([[0.0, 3.0], [-2.0, 0.0]], "csr")
    >>> (A + B).to_dense(), (A + B).nnz, (A * B).nnz
    (array([[1., 3.],
           [0., 0.]]), 3, 1)
    """
    symbol = _SYMBOLS[function]
    scalar = as_scalar(other)
    if scalar is not None:
        return _with_scalar(A, scalar, function, swapped)
    if isinstance(other, Matrix) and function is not np.true_divide:
        return _with_matrix(A, other, function)
    if isinstance(other, Matrix):
        raise UnsupportedOpError(
            "A / B: 0 / 0 in every cell that neither stores would make it dense: write "
            "A.to_dense() / B.to_dense(), or A.with_data(…) for the stored cells alone"
        )
    if is_array(other):
        raise UnsupportedOpError(
            f"A {symbol} b: A is {A.format} but b is of type {type(other).__name__}: cell by cell, "
            f"a matrix goes with a number or another minisparse matrix; write A.to_dense() "
            f"{symbol} b, or make b one by from_dense or from_scipy. A @ b is the matrix product"
        )
    return NotImplemented


def negative(A: Matrix) -> Matrix:
    """Return ``-A``; duplicates stay, since their sum changes sign with them."""
    if A.dtype == np.bool_:
        raise DTypeError("-A: bool has no sign; A.astype('int8') has one")
    return mapped(A, np.negative, "-A")


def absolute(A: Matrix) -> Matrix:
    """Return ``abs(A)``, duplicates summed first; real for complex A."""
    return mapped(distinct(A), np.absolute, "abs(A)")


def conjugate(A: Matrix) -> Matrix:
    """Return the complex conjugate; A itself where it is real."""
    return mapped(A, np.conjugate, "conj") if A.dtype.kind == "c" else A


def astype(A: Matrix, dtype: Any) -> Matrix:
    """Return A with its cells in another dtype, as NumPy converts them; duplicates summed first.

    Raises
    ------
    DTypeError
        If the dtype is not supported, or would drop imaginary parts.

    Examples
    --------
    >>> from minisparse.formats import COO
    >>> COO([0.5, 0.5], [0, 0], [0, 0], (1, 1)).astype("int8").to_dense()
    array([[1]], dtype=int8)
    """
    found = as_dtype(dtype, "astype")
    if found == A.dtype:
        return A
    if A.dtype.kind == "c" and found.kind not in "bc":
        raise DTypeError(
            f"astype: {A.dtype} to {found} drops the imaginary parts; if that is meant, write "
            f"A.with_data(A.data.real)"
        )
    return mapped(distinct(A), lambda data: data.astype(found), "astype")


def _with_scalar(A: Matrix, scalar: Any, function: np.ufunc, swapped: bool) -> Matrix:
    symbol = _SYMBOLS[function]
    text = f"{scalar} {symbol} A" if swapped else f"A {symbol} {scalar}"
    if function is np.true_divide and swapped:
        raise UnsupportedOpError(
            f"{text}: every cell that is not stored would divide by zero; write "
            f"{scalar} / A.to_dense(), or A.with_data({scalar} / A.data) for the stored cells alone"
        )
    if function in (np.add, np.subtract) and scalar != 0:
        dense, stored = (text.replace("A", f"A.{what}") for what in ("to_dense()", "data"))
        raise UnsupportedOpError(
            f"{text}: every cell that is not stored would become nonzero, and the matrix dense; "
            f"write {dense}, or A.with_data({stored}) for the stored cells alone"
        )
    if swapped:
        return mapped(distinct(A), lambda data: function(scalar, data), text)
    return mapped(distinct(A), lambda data: function(data, scalar), text)


def _with_matrix(A: Matrix, B: Matrix, function: np.ufunc) -> Matrix:
    where = f"A {_SYMBOLS[function]} B"
    dtype = common_dtype([A, B], where)
    if function is np.subtract and dtype == np.bool_:
        raise DTypeError(f"{where}: bool has no difference; A != B tells where they differ")
    check_shapes(A, B, where)
    if isinstance(A, NM) or not common_layout([A, B]):
        A, B = A.to("csr"), B.to("csr")
    A, B = A.canonical(), B.canonical()
    with np.errstate(all="ignore"):  # inf - inf and overflow are values here, not accidents
        if function is np.multiply:
            return product_of(A, B, dtype)
        if function is np.subtract:
            B = B.with_data(np.negative(B.data.astype(dtype, copy=False)))
        return sum_of(A, B, dtype)
