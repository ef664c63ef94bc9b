"""Kernels as plain functions: ``ms.spmm``, ``ms.spmv``, ``ms.spmm_bias_relu``, ``ms.prepare``."""

import time
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, is_supported
from minisparse.core.errors import ShapeError, UnsupportedOpError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.formats import Matrix
from minisparse.kernels.execute import execute, pack
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.lookup import find_level
from minisparse.ops import OPS, SPMM, SPMM_BIAS_RELU, SPMV, Op


class Prepared:
    """A matrix packed for one op and one kernel, to be used many times; made by :func:`prepare`.

    It keeps nothing between calls but what was packed, so threads may share it.

    Attributes
    ----------
    op : Op
        What calling it computes.
    kernel : Kernel
        By which kernel.
    level : str
        At which level.
    type : TensorType
        The matrix's type.
    bytes : int
        What was packed takes so many.
    seconds : float
        How long packing took.
    """

    def __init__(self, op: Op, kernel: Kernel, level: str, a: Matrix | Array, columns: int) -> None:
        self.op, self.kernel, self.level = op, kernel, level
        self.type = _type(a)
        self._level: Level = kernel.levels[level]
        start = time.perf_counter()
        self._packed = pack(self._level, a, columns)
        self.seconds = time.perf_counter() - start
        self.bytes = int(self._packed.nbytes)

    def __call__(self, *operands: Any, out: Array | None = None) -> Array:
        """Compute the op with the packed matrix and the other operands.

        Parameters
        ----------
        *operands : ndarray
            B ``[K, N]``, and the bias ``[M]`` where the op has one; x ``[K]`` for spmv.
        out : ndarray, optional
            Where the result goes, of its shape and dtype.

        Raises
        ------
        ShapeError, DTypeError
            If an operand breaks a constraint of the op; the message names it.
        """
        given = [_as_array(x, self.op) for x in operands]
        (result,) = self.op.infer([self.type, *map(dense_type, given)])
        if out is not None:
            _check_out(out, result, self.op)
        with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
            found: Array = execute(self.op, self._level, (self._packed, *given), None, out)
        return found

    def __repr__(self) -> str:
        """Return what it computes, and what packing took."""
        m, k = self.type.dims
        return (
            f"Prepared({self.op.name}, {self.kernel.format_name} {self.level}, {m}x{k} "
            f"{self.type.dtype}, {self.bytes / 1000:.3g} kB packed in {self.seconds * 1e3:.3g} ms)"
        )


def prepare(op: str, A: Matrix | Array, columns: int = 256, level: str = "vectorized") -> Prepared:
    """Pack a matrix once, to multiply with it many times.

    Parameters
    ----------
    op : str
        ``"spmm"``, ``"spmv"``, ``"spmm_bias"``, ``"spmm_relu"`` or ``"spmm_bias_relu"``.
    A : Matrix or ndarray
        ``[M, K]``.
    columns : int
        About how many columns it will be multiplied with. A hint: any number is computed right.
    level : str
        Which level of the kernel.

    Returns
    -------
    Prepared
        To be called with the other operands.

    Raises
    ------
    UnsupportedOpError
        If there is no such op, or no kernel for A's format, or the kernel has no such level.
    ShapeError
        If A is no matrix of numbers, or ``columns`` is negative.

    Examples
    --------
    >>> from minisparse.formats import from_dense
    >>> k = prepare("spmm", from_dense(np.eye(3, dtype="float32"), "csr"))
    >>> k(np.full((3, 2), 5, np.float32))
    array([[5., 5.],
           [5., 5.],
           [5., 5.]], dtype=float32)
    """
    if op not in OPS or OPS[op].base.sparse != 0 or OPS[op].attrs:
        known = [o.name for o in OPS.values() if o.base.sparse == 0 and not o.attrs]
        raise UnsupportedOpError(
            f"prepare: no op '{op}' takes a packed matrix; {', '.join(known)} do"
        )
    if columns < 0:
        raise ShapeError(f"prepare: columns is {columns}; it cannot be negative")
    if not isinstance(A, Matrix):
        A = _as_array(A, OPS[op])
        if A.ndim != 2 or not is_supported(A.dtype):
            raise ShapeError(f"prepare: A is {dense_type(A)}; it must be a matrix of numbers")
    kernel, _ = find_level(OPS[op], _type(A).format, level)
    return Prepared(OPS[op], kernel, level, A, columns)


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
    >>> spmm(CSR([1.0, 2.0], [1, 0], [0, 1, 2], (2, 2)), np.array([[3.0], [4.0]]))
    array([[4.],
           [6.]])
    """
    return _call(SPMM, A, (b,), level, out)


def spmv(A: Matrix | Array, x: Any, level: str = "vectorized", out: Array | None = None) -> Array:
    """Return ``A @ x`` for a vector x ``[K]``; see :func:`spmm`."""
    return _call(SPMV, A, (x,), level, out)


def spmm_bias_relu(
    A: Matrix | Array, b: Any, bias: Any, level: str = "vectorized", out: Array | None = None
) -> Array:
    """Return ``relu(A @ b + bias[:, None])``, a layer of a network; see :func:`spmm`.

    Parameters
    ----------
    bias : array_like, shape (M,)
        One value for each row of A.
    """
    return _call(SPMM_BIAS_RELU, A, (b, bias), level, out)


def _call(
    op: Op, a: Matrix | Array, operands: tuple[Any, ...], level: str, out: Array | None
) -> Array:
    """Check, pack for this one call, and compute."""
    given = [_as_array(x, op) for x in operands]
    if not isinstance(a, Matrix):
        a = _as_array(a, op)
    op.infer([_type(a), *map(dense_type, given)])  # refuse before the effort of packing
    kernel, _ = find_level(op, _type(a).format, level)
    columns = given[0].shape[1] if given[0].ndim > 1 else 1
    return Prepared(op, kernel, level, a, columns)(*given, out=out)


def _type(a: Matrix | Array) -> TensorType:
    return a.type if isinstance(a, Matrix) else dense_type(a)


def _as_array(x: Any, op: Op) -> Array:
    if isinstance(x, Matrix):
        raise UnsupportedOpError(
            f"{op.name}: only A can be sparse, but {x!r} was given beside it; write .to_dense()"
        )
    return np.asarray(x)


def _check_out(out: Array, result: TensorType, op: Op) -> None:
    if out.shape != result.shape or out.dtype != result.dtype or not out.flags.writeable:
        raise ShapeError(
            f"{op.name}: out is {dense_type(out)}{'' if out.flags.writeable else ' (read-only)'}: "
            f"it must be a writeable {result}"
        )
