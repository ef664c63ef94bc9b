"""Activations, cell-by-cell sums and products, and reductions as functions: ``ms.relu``."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.call import call
from minisparse.ops import (
    ADD,
    CLIP,
    GELU,
    MULTIPLY,
    REDUCE_MAX,
    REDUCE_MEAN,
    REDUCE_MIN,
    REDUCE_SUM,
    RELU,
    SILU,
)


def relu(x: Any, level: str = "vectorized", out: Array | None = None) -> Any:
    """Return ``max(x, 0)``, element by element.

    Parameters
    ----------
    x : Matrix or array_like
        Real. Of a matrix, in any format, the stored entries are taken.
    level : str
        ``"loops"`` or ``"vectorized"``.
    out : ndarray, optional
        Where the result goes, for an x that is no Matrix.

    Returns
    -------
    Matrix or ndarray
        As x; a matrix stores what x stores.

    Raises
    ------
    DTypeError, ShapeError
        If a constraint is broken, as in docs/language.md.
    UnsupportedOpError
        If a matrix stores a cell twice: ``A.canonical()`` does not.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> relu(CSR([-1.0, 2.0], [0, 1], [0, 2], (1, 3))).data
    array([0., 2.])
    """
    return call(RELU, (x,), level, out)


def gelu(
    x: Any, approximate: str = "none", level: str = "vectorized", out: Array | None = None
) -> Any:
    """Return x times the normal distribution function of x; see :func:`relu`.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        Whether that function is computed, or approximated by tanh.

    Examples
    --------
    >>> import numpy as np
    >>> gelu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    return call(GELU, (x,), level, out, {"approximate": approximate})


def silu(x: Any, level: str = "vectorized", out: Array | None = None) -> Any:
    """Return ``x / (1 + exp(-x))``, element by element; see :func:`relu`.

    Examples
    --------
    >>> import numpy as np
    >>> silu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.2689,  0.    ,  0.7311])
    """
    return call(SILU, (x,), level, out)


def clip(
    x: Any,
    min: float | None = None,  # noqa: A002 - ONNX's names
    max: float | None = None,  # noqa: A002
    level: str = "vectorized",
    out: Array | None = None,
) -> Any:
    """Return ``min(max(x, min), max)``, element by element; see :func:`relu`.

    Parameters
    ----------
    min, max : float, optional
        Numbers that x's dtype can hold; a matrix needs 0 between them.

    Examples
    --------
    >>> import numpy as np
    >>> clip(np.array([-3, 2, 9]), 0, 6)
    array([0, 2, 6])
    """
    return call(CLIP, (x,), level, out, {"min": min, "max": max})


def add(A: Any, B: Any, level: str = "vectorized", out: Array | None = None) -> Any:
    """Return ``A + B``: of arrays broadcast, of matrices what either stores.

    Parameters
    ----------
    A, B : Matrix or array_like
        Both arrays, or both matrices of one shape, format and block: COO, CSR, CSC or BSR.
    level : str
        ``"loops"`` or ``"vectorized"``.
    out : ndarray, optional
        Where a sum of arrays goes.

    Raises
    ------
    DTypeError, ShapeError
        If a constraint is broken, as in docs/language.md.
    UnsupportedOpError
        If a matrix meets an array, or formats differ: nothing is converted unasked.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 2.0], [0, 1], [0, 2], (1, 3))
    >>> add(A, CSR([-2.0, 5.0], [1, 2], [0, 2], (1, 3))).data
    array([1., 0., 5.])
    """
    return call(ADD, (A, B), level, out)


def multiply(A: Any, B: Any, level: str = "vectorized", out: Array | None = None) -> Any:
    """Return ``A * B`` cell by cell: of arrays broadcast, of matrices what both store.

    No matrix may store a cell twice; otherwise as :func:`add`.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 2.0], [0, 1], [0, 2], (1, 3))
    >>> multiply(A, CSR([-2.0, 5.0], [1, 2], [0, 2], (1, 3))).data
    array([-4.])
    """
    return call(MULTIPLY, (A, B), level, out)


def reduce_sum(
    x: Any,
    axes: Sequence[int] | int | None = None,
    keepdims: int = 1,
    level: str = "vectorized",
    out: Array | None = None,
) -> Array:
    """Return sums along axes, in x's dtype.

    Parameters
    ----------
    x : Matrix or array_like
        A matrix in any format; a cell stored twice gives two terms.
    axes : sequence of int, or int, optional
        Which axes, or the only one; all by default.
    keepdims : {0, 1}
        Whether axes that are reduced stay, with length 1.
    level : str
        ``"loops"`` or ``"vectorized"``.
    out : ndarray, optional
        Where the result goes.

    Raises
    ------
    DTypeError, ShapeError
        If a constraint is broken, as in docs/language.md.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> A = CSR([1.0, 2.0], [0, 1], [0, 1, 2], (2, 2))
    >>> reduce_sum(A, axes=(1,), keepdims=0)
    array([1., 2.])
    """
    found: Array = call(REDUCE_SUM, (x,), level, out, _how(axes, keepdims))
    return found


def reduce_mean(
    x: Any,
    axes: Sequence[int] | int | None = None,
    keepdims: int = 1,
    level: str = "vectorized",
    out: Array | None = None,
) -> Array:
    """Return means along axes, over all cells, stored or not; see :func:`reduce_sum`.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> reduce_mean(CSR([1.0, 2.0], [0, 1], [0, 1, 2], (2, 2)))
    array([[0.75]])
    """
    found: Array = call(REDUCE_MEAN, (x,), level, out, _how(axes, keepdims))
    return found


def reduce_max(
    x: Any,
    axes: Sequence[int] | int | None = None,
    keepdims: int = 1,
    level: str = "vectorized",
    out: Array | None = None,
) -> Array:
    """Return the largest along axes; cells that are not stored are 0. See :func:`reduce_sum`.

    A matrix must not store a cell twice.

    Examples
    --------
    >>> from minisparse.formats import CSR
    >>> reduce_max(CSR([-1.0, -2.0], [0, 1], [0, 2, 2], (2, 2)), axes=(1,), keepdims=0)
    array([-1.,  0.])
    """
    found: Array = call(REDUCE_MAX, (x,), level, out, _how(axes, keepdims))
    return found


def reduce_min(
    x: Any,
    axes: Sequence[int] | int | None = None,
    keepdims: int = 1,
    level: str = "vectorized",
    out: Array | None = None,
) -> Array:
    """Return the least along axes; see :func:`reduce_max`."""
    found: Array = call(REDUCE_MIN, (x,), level, out, _how(axes, keepdims))
    return found


def _how(axes: Sequence[int] | int | None, keepdims: int) -> dict[str, Any]:
    """Return the attributes; what names no axes is left for the op to refuse."""
    if isinstance(axes, int | np.integer):
        axes = (int(axes),)
    return {"axes": tuple(axes) if isinstance(axes, Iterable) else axes, "keepdims": keepdims}
