"""Kernels as plain functions: ``ms.spmm``, ``ms.spmv``, ``ms.spmm_bias_relu`` and the others."""

from typing import Any, TypeVar

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix
from minisparse.kernels.call import call
from minisparse.ops import (
    ATTENTION,
    DSMM,
    SDDMM,
    SOFTMAX,
    SPGEMM,
    SPMM,
    SPMM_BIAS_RELU,
    SPMM_T,
    SPMV,
)

Stored = TypeVar("Stored", bound=Matrix | Array)
"""What is stored as an operand is: a matrix in its format, or a plain array."""


def spmm(A: Matrix | Array, b: Any, level: str = "vectorized", out: Array | None = None) -> Array:
    """Return ``A @ b`` for A ``[M, K]`` in any format and b ``[K, N]``.

    Parameters
    ----------
    A : Matrix or ndarray
        An ndarray takes the dense kernel.
    b : array_like, shape (K, N)
        Dense.
    level : str
        ``"loops"`` or ``"vectorized"``; ``"library"`` for another library that is installed, the
        fastest first, or its name: ``"mkl"``, ``"torch"``, ``"scipy"`` (docs/libraries.md).
    out : ndarray, shape (M, N), optional
        Where the result goes; of dtype ``np.result_type(A, b)``.

    Raises
    ------
    ShapeError, DTypeError
        If a constraint is broken, as in docs/language.md.
    UnsupportedOpError
        If A's format has no kernel, or that no such level, or the library refuses.
    MissingExtraError
        If the library is not installed.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> import numpy as np
    >>> spmm(CSR([1.0, 2.0], [1, 0], [0, 1, 2], (2, 2)), np.array([[3.0], [4.0]]))
    array([[4.],
           [6.]])
    """
    found: Array = call(SPMM, (A, b), level, out)
    return found


def spmv(A: Matrix | Array, x: Any, level: str = "vectorized", out: Array | None = None) -> Array:
    """Return ``A @ x`` for a vector x ``[K]``; see :func:`spmm`."""
    found: Array = call(SPMV, (A, x), level, out)
    return found


def spmm_t(A: Matrix | Array, b: Any, level: str = "vectorized", out: Array | None = None) -> Array:
    """Return ``A.T @ b`` for A ``[M, K]`` and b ``[M, N]``, without a transposed copy of A.

    The result is ``[K, N]``; for the rest see :func:`spmm`.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> import numpy as np
    >>> spmm_t(CSR([1.0, 2.0], [1, 1], [0, 1, 2], (2, 3)), np.array([[3.0], [4.0]]))
    array([[ 0.],
           [11.],
           [ 0.]])
    """
    found: Array = call(SPMM_T, (A, b), level, out)
    return found


def dsmm(b: Any, A: Matrix | Array, level: str = "vectorized", out: Array | None = None) -> Array:
    """Return ``b @ A`` for b ``[N, M]``, dense, and A ``[M, K]`` in any format.

    The result is ``[N, K]``; for the rest see :func:`spmm`.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> import numpy as np
    >>> dsmm(np.array([[3.0, 4.0]]), CSR([1.0, 2.0], [1, 1], [0, 1, 2], (2, 3)))
    array([[ 0., 11.,  0.]])
    """
    found: Array = call(DSMM, (b, A), level, out)
    return found


def spgemm(A: Matrix | Array, B: Matrix | Array, level: str = "vectorized") -> Any:
    """Return ``A @ B`` for A ``[M, K]`` and B ``[K, N]``, both sparse, as a matrix in A's format.

    It stores a cell where an entry of A meets one of B, sorted, each once; a sum that cancels keeps
    its slot. How many there can be is told before by
    :func:`~minisparse.kernels.spgemm.bound.spgemm_bound`.

    Parameters
    ----------
    A, B : Matrix or ndarray
        Both in the same format: CSR, CSC, COO or BSR, A's blocks as wide as B's are high. Two
        plain arrays give a plain array.
    level : str
        As for :func:`spmm`.

    Raises
    ------
    ShapeError, DTypeError, UnsupportedOpError, MissingExtraError
        As :func:`spmm` does, and where the formats differ.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 2.0], [1, 0], [0, 1, 2], (2, 2))
    >>> spgemm(A, A).to_dense()
    array([[2., 0.],
           [0., 2.]])
    """
    return call(SPGEMM, (A, B), level)


def spmm_bias_relu(
    A: Matrix | Array, b: Any, bias: Any, level: str = "vectorized", out: Array | None = None
) -> Array:
    """Return ``relu(A @ b + bias[:, None])``, a layer of a network; see :func:`spmm`.

    Parameters
    ----------
    bias : array_like, shape (M,)
        One value for each row of A.
    """
    found: Array = call(SPMM_BIAS_RELU, (A, b, bias), level, out)
    return found


def sddmm(A: Stored, x: Any, y: Any, level: str = "vectorized") -> Stored:
    """Return ``A * (x @ y)`` where A stores entries, stored as A is; see :func:`spmm`.

    Parameters
    ----------
    A : Matrix or ndarray, shape (M, N)
        Of an ndarray every element is an entry, and the result is an ndarray too.
    x, y : array_like, shape (M, D) and (D, N)
        Dense.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> import numpy as np
    >>> A = CSR([1.0, 10.0], [1, 0], [0, 1, 2], (2, 2))
    >>> sddmm(A, np.array([[3.0], [4.0]]), np.array([[5.0, 6.0]])).to_dense()
    array([[  0.,  18.],
           [200.,   0.]])
    """
    found: Stored = call(SDDMM, (A, x, y), level)
    return found


def softmax(A: Stored, level: str = "vectorized") -> Stored:
    """Return the softmax of each row of A over its stored entries, stored as A is.

    A cell that is not stored has no weight, a stored zero has; a row without entries stays empty.
    For the rest see :func:`spmm`.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> softmax(CSR([5.0, 5.0, 1.0], [0, 2, 1], [0, 2, 3], (2, 3))).to_dense()
    array([[0.5, 0. , 0.5],
           [0. , 1. , 0. ]])
    """
    found: Stored = call(SOFTMAX, (A,), level)
    return found


def attention(
    mask: Matrix | Array,
    q: Any,
    k: Any,
    v: Any,
    scale: float | None = None,
    level: str = "vectorized",
    out: Array | None = None,
) -> Array:
    """Return ``softmax(scale * mask * (q @ k.T)) @ v``, over the stored entries of the mask.

    The scores are never stored as a whole: a few rows at a time are computed, used and forgotten.

    Parameters
    ----------
    mask : Matrix or ndarray, shape (M, N)
        Which of N keys each of M queries looks at: its entries, whose values multiply the scores.
        All ones is plain sparse attention. A row without entries gives zeros.
    q, k, v : array_like, shape (M, D), (N, D) and (N, E)
        Queries, keys and values.
    scale : float, optional
        By default ``1 / sqrt(D)``.
    out : ndarray, shape (M, E), optional
        Where the result goes.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> import numpy as np
    >>> mask = CSR([1.0, 1.0, 1.0], [0, 1, 1], [0, 2, 3], (2, 2))
    >>> attention(mask, np.zeros((2, 4)), np.zeros((2, 4)), np.array([[3.0], [5.0]]))
    array([[4.],
           [5.]])
    """
    found: Array = call(ATTENTION, (mask, q, k, v), level, out, {"scale": scale})
    return found
