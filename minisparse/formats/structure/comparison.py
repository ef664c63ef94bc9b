"""Comparison, cell by cell, where its answer is sparse; and of two matrices as wholes.

Two cells that are not stored are both zero. A comparison that is true of them, such as ``==``
between matrices or ``A < 1``, would be true nearly everywhere: it is refused, and its opposite is
what to ask for. So the answer is a bool matrix that stores where it is true, and nothing else.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import DTypeError, UnsupportedOpError, UsageError
from minisparse.core.triplets import Triplets
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.structure.cells import as_scalar, distinct, is_array, mapped, paired
from minisparse.formats.structure.results import common_dtype, holds_every_pattern, like_both

_SYMBOLS: dict[np.ufunc, str] = {
    np.equal: "==", np.not_equal: "!=", np.less: "<",
    np.greater_equal: ">=", np.greater: ">", np.less_equal: "<=",
}  # fmt: skip
_OPPOSITE = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
}  # fmt: skip


def compare(A: Matrix, other: Any, function: np.ufunc) -> Any:
    """Return ``A == other``, or what ``function`` stands for, as a bool matrix.

    Parameters
    ----------
    A : Matrix
        Any format.
    other : Matrix or scalar
        A matrix of A's shape, or a number.
    function : numpy.ufunc
        ``np.equal``, ``np.not_equal``, ``np.less``, ``np.less_equal``, ``np.greater`` or
        ``np.greater_equal``.

    Returns
    -------
    Matrix
        Of dtype bool. It stores what is True, so that ``(A != B).nnz`` counts the differences;
        BSR whole blocks with something True, n:m comes in CSR. ``NotImplemented`` for other
        things.

    Raises
    ------
    UnsupportedOpError
        If it would be true of all cells that are not stored, or ``other`` is dense.
    DTypeError
        If complex numbers are asked for their order, or dtypes do not mix.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> (from_dense([[1, 0], [5, 3]], "csr") > 2).to_dense()
    array([[False, False],
           [ True,  True]])
    """
    symbol = _SYMBOLS[function]
    scalar = as_scalar(other)
    if scalar is not None:
        where = f"A {symbol} {scalar}"
        _check_order(function, where, A.dtype.kind, np.asarray(scalar).dtype.kind)
        _check_sparse(_of_zeros(function, A, scalar, where), symbol, str(scalar))
        return _only_true(mapped(distinct(A), lambda data: function(data, scalar), where))
    if isinstance(other, Matrix):
        where = f"A {symbol} B"
        _check_order(function, where, A.dtype.kind, other.dtype.kind)
        _check_sparse(function(0, 0), symbol, "B")
        common_dtype([A, other], where)
        row, col, a, b, _ = paired(A, other, where)
        with np.errstate(all="ignore"):  # NaN is a value here, not an accident
            data = function(a, b)
        row, col, data = row[data], col[data], data[data]
        return like_both(A, other, Triplets(row, col, data, A.shape))
    if is_array(other):
        raise UnsupportedOpError(
            f"A {symbol} b: A is {A.format} but b is of type {type(other).__name__}; write "
            f"A.to_dense() {symbol} b, or make b a matrix by from_dense or from_scipy"
        )
    return NotImplemented


def _only_true(A: Matrix) -> Matrix:
    return (A if isinstance(A, BSR) or holds_every_pattern(A) else A.to("csr")).eliminate_zeros()


def equal(A: Matrix, B: Matrix, *, equal_nan: bool = False) -> bool:
    """Tell whether two matrices are the same dense matrix, however they are stored.

    Formats, dtypes, stored order, duplicates and stored zeros do not matter.

    Parameters
    ----------
    A, B : Matrix
        Any formats; of different shapes they are not equal.
    equal_nan : bool
        Whether NaN equals NaN.

    Raises
    ------
    DTypeError
        If the dtypes do not mix.
    UsageError
        If one is no minisparse matrix.

    Examples
    --------
    >>> from minisparse.formats import COO, CSR, equal
    >>> A = COO([1.0, 2.0], [0, 0], [1, 1], (1, 2))
    >>> equal(A, CSR([0.0, 3.0], [0, 1], [0, 2], (1, 2)))
    True
    """
    for name, given in (("A", A), ("B", B)):
        if not isinstance(given, Matrix):
            raise UsageError(
                f"equal: {name} is a {type(given).__name__}: it must be a minisparse matrix; for "
                f"plain arrays there is np.array_equal"
            )
    if A.shape != B.shape:
        return False
    common_dtype([A, B], "equal")
    _, _, a, b, _ = paired(A, B, "equal")
    with np.errstate(all="ignore"):  # NaN is a value here, not an accident
        same: Array = a == b
        if equal_nan:
            same |= (a != a) & (b != b)
    return bool(same.all())


def truth(A: Matrix) -> bool:
    """Refuse: a matrix is neither true nor false."""
    raise UsageError(
        f"the truth of a {A.format} matrix is not defined: write minisparse.formats.equal(A, B) "
        f"for whether two are equal, A.count_nonzero() > 0 for whether anything is there, and "
        f"A is None for whether there is a matrix"
    )


def _check_order(function: np.ufunc, where: str, *kinds: str) -> None:
    if "c" in kinds and function not in (np.equal, np.not_equal):
        raise DTypeError(f"{where}: complex numbers have no order; abs(A) has one")


def _of_zeros(function: np.ufunc, A: Matrix, scalar: Any, where: str) -> Any:
    """Return what the comparison gives where nothing is stored."""
    try:
        with np.errstate(all="ignore"):  # a number beyond the dtype is an infinity
            return function(np.zeros((), A.dtype), scalar)
    except (TypeError, OverflowError) as error:
        raise DTypeError(f"{where}: A is {A.dtype}: {error}") from error


def _check_sparse(of_zeros: Any, symbol: str, other: str) -> None:
    """Raise if a comparison is true of cells that are not stored."""
    if of_zeros:
        whole = "minisparse.formats.equal(A, B) for one answer, or " if symbol == "==" else ""
        whole = whole if other == "B" else ""
        dense = "B.to_dense()" if other == "B" else other
        raise UnsupportedOpError(
            f"A {symbol} {other}: true of every cell that is not stored, and so dense; write "
            f"{whole}A {_OPPOSITE[symbol]} {other} for the opposite, or "
            f"A.to_dense() {symbol} {dense}"
        )
