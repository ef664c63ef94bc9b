"""Kernels as plain functions: ``ms.spmm``, ``ms.spmv``, ``ms.spmm_bias_relu`` and the others."""

from typing import Any

from minisparse.core.dtypes import Array
from minisparse.formats import Matrix
from minisparse.kernels.call import call
from minisparse.ops import SPMM, SPMM_BIAS_RELU, SPMV


def spmm(A: Matrix | Array, b: Any, level: str = "vectorized", out: Array | None = None) -> Array:
    """Return ``A @ b`` for A ``[M, K]`` in any format and b ``[K, N]``.

    Parameters
    ----------
    A : Matrix or ndarray
        An ndarray takes the dense kernel.
    b : array_like, shape (K, N)
        Dense.
    level : str
        ``"loops"`` or ``"vectorized"``.
    out : ndarray, shape (M, N), optional
        Where the result goes; of dtype ``np.result_type(A, b)``.

    Raises
    ------
    ShapeError, DTypeError
        If a constraint is broken, as in docs/language.md.
    UnsupportedOpError
        If A's format has no kernel, or that no such level.

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
