"""Call a kernel by op and level: once, or packed for many times with ``ms.prepare``."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, is_supported
from minisparse.core.errors import ShapeError, UnsupportedOpError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.formats import Matrix
from minisparse.kernels.execute import execute, pack
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.lookup import find_level
from minisparse.ops import OPS, Op


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

    def __call__(self, *operands: Any, out: Array | None = None) -> Any:
        """Compute the op with the packed matrix and the other operands.

        Parameters
        ----------
        *operands : ndarray
            All but the packed matrix, in the op's order: B ``[K, N]``, and the bias ``[M]`` where
            the op has one; x ``[K]`` for spmv.
        out : ndarray, optional
            Where the result goes, of its shape and dtype.

        Raises
        ------
        ShapeError, DTypeError
            If an operand breaks a constraint of the op; the message names it.
        """
        at = self.op.base.weight or 0
        given = [*operands[:at], None, *operands[at:]]
        for i, x in enumerate(given):
            if i != at:
                given[i] = as_operand(x, self.op, i)
        types = [self.type if i == at else _type(x) for i, x in enumerate(given)]
        (result,) = self.op.infer(types)
        if out is not None:
            _check_out(out, result, self.op)
        given[at] = self._packed
        with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
            return execute(self.op, self._level, given, None, out)

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
    known = [o.name for o in OPS.values() if _takes_packed(o)]
    if op not in known:
        raise UnsupportedOpError(
            f"prepare: no op '{op}' takes a packed matrix; {', '.join(known)} do"
        )
    if columns < 0:
        raise ShapeError(f"prepare: columns is {columns}; it cannot be negative")
    if not isinstance(A, Matrix):
        A = np.asarray(A)
        if A.ndim != 2 or not is_supported(A.dtype):
            raise ShapeError(f"prepare: A is {dense_type(A)}; it must be a matrix of numbers")
    kernel, _ = find_level(OPS[op], _type(A).format, level)
    return Prepared(OPS[op], kernel, level, A, columns)


def _takes_packed(op: Op) -> bool:
    """Tell whether an op has one matrix to pack, and nothing to be told by attributes."""
    return len(op.base.sparse) == 1 and not op.attrs


def call(
    op: Op,
    operands: Sequence[Any],
    level: str,
    out: Array | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Check the operands of an op, pack its weight for this one call, and compute.

    Parameters
    ----------
    op : Op
        What to compute.
    operands : sequence of Matrix or array_like
        In the op's order; a matrix only where the op takes one.
    level : str
        Which level of the kernel for the weight's format.
    out : ndarray, optional
        Where the result goes, of its shape and dtype.
    attrs : mapping, optional
        Of the op; those left out take their defaults.

    Raises
    ------
    ShapeError, DTypeError
        If a constraint of the op is broken.
    UnsupportedOpError
        If an operand is a matrix that must not be one, or there is no such kernel or level.
    """
    given = [as_operand(x, op, i) for i, x in enumerate(operands)]
    complete = op.complete(attrs or {})
    (result,) = op.infer([_type(x) for x in given], complete)
    if out is not None:
        _check_out(out, result, op)
    at = op.base.weight
    _, found = find_level(op, "dense" if at is None else _type(given[at]).format, level)
    if at is not None:
        rows = max(given[at].shape[0], 1)
        given[at] = pack(found, given[at], -(-result.size // rows))
    with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
        return execute(op, found, given, complete, out)


def as_operand(x: Any, op: Op, at: int) -> Any:
    """Return an operand as a matrix or an array; a matrix only where the op takes one."""
    if not isinstance(x, Matrix):
        return np.asarray(x)
    if at not in op.base.sparse:
        may = " and ".join(op.operands[i].upper() for i in op.base.sparse)
        raise UnsupportedOpError(
            f"{op.name}: only {may} can be sparse, but {x!r} was given beside it; write .to_dense()"
        )
    return x


def _type(a: Matrix | Array) -> TensorType:
    return a.type if isinstance(a, Matrix) else dense_type(a)


def _check_out(out: Array, result: TensorType, op: Op) -> None:
    if out.shape != result.shape or out.dtype != result.dtype or not out.flags.writeable:
        raise ShapeError(
            f"{op.name}: out is {dense_type(out)}{'' if out.flags.writeable else ' (read-only)'}: "
            f"it must be a writeable {result}"
        )
