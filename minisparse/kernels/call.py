"""Call a kernel by op and level: once, or packed for many times with ``ms.prepare``."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, is_supported
from minisparse.core.errors import ShapeError, UnsupportedOpError, UsageError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.formats import Matrix
from minisparse.kernels.execute import execute, pack
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.library import PROVIDERS, choose
from minisparse.kernels.lookup import kernels_for, name_level
from minisparse.kernels.operands import as_operand, as_plain, checked_out
from minisparse.kernels.places import level_at, one_place, place_of
from minisparse.ops import OPS, Op
from minisparse.ops.constraints import are_ints

MOST_KNOWN = 64
"""Combinations of operand types that a prepared matrix remembers."""


class Prepared:
    """A matrix packed for one op and one kernel, to be used many times; made by :func:`prepare`.

    It keeps nothing between calls but what was packed, and which types of operands were found to
    fit, so threads may share it. It can be pickled, unless MKL holds the matrix.

    Attributes
    ----------
    op : Op
        What calling it computes.
    kernel : Kernel
        By which kernel.
    level : str
        At which level.
    place : str
        Where it lies, and so must the other operands: ``"cpu"`` or ``"gpu"``.
    type : TensorType
        The matrix's type.
    bytes : int
        What was packed takes so many.
    seconds : float
        How long packing took.
    attrs : mapping
        Attributes of the op, which are those of its epilogue.
    """

    def __init__(
        self,
        op: Op,
        kernel: Kernel,
        level: str,
        a: Matrix | Array,
        columns: int,
        attrs: Mapping[str, Any],
    ) -> None:
        self.op, self.kernel, self.level, self.attrs = op, kernel, level, attrs
        self.type = _type(a)
        self.place = place_of(a)
        self._level: Level = level_at(kernel, level, self.place)
        start = time.perf_counter()
        self._packed = pack(self._level, a, columns)
        self.seconds = time.perf_counter() - start
        self.bytes = int(self._packed.nbytes)
        self._fitting: dict[tuple[Any, ...], TensorType] = {}

    def __call__(self, *operands: Any, out: Array | None = None) -> Any:
        """Compute the op with the packed matrix and the other operands.

        Parameters
        ----------
        *operands : ndarray
            All but the packed matrix, in the op's order: B ``[K, N]``, and the bias ``[M]`` where
            the op has one; x ``[K]`` for spmv.
        out : ndarray, optional
            Where the result goes, of its shape and dtype; it may overlap operands.

        Raises
        ------
        ShapeError, DTypeError
            If an operand breaks a constraint of the op; the message names it.
        """
        at = self.op.base.weight or 0
        given = [as_operand(x, self.op, i + (i >= at)) for i, x in enumerate(operands)]
        signature = tuple((x.shape, x.dtype, type(x)) for x in given)
        result = self._fitting.get(signature) or self._check(given, at, signature)
        into = None if out is None else checked_out(out, result, self.op, given)
        if out is not None:
            self._check_place("out", out)
        given.insert(at, self._packed)
        with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
            found = execute(self.op, self._level, given, self.attrs, into)
        return found if out is into else _copied(found, out)

    def _check(self, given: Sequence[Any], at: int, signature: tuple[Any, ...]) -> TensorType:
        """Check the operands beside the packed one; return the result's type."""
        names = self.op.operand_names(len(given) + 1)
        for name, x in zip(names[:at] + names[at + 1 :], given, strict=False):
            self._check_place(name.rstrip("?"), x)
        types = [_type(x) for x in given]
        types.insert(at, self.type)
        (result,) = self.op.infer(types, self.attrs)
        if self.level in PROVIDERS:  # which may refuse the others, now that they are known
            own = self.op.split(types)[0]
            choose(self.op.base.name, self.type.format, self.level, own, self.place)
        if not any(isinstance(x, Matrix) for x in given) and len(self._fitting) < MOST_KNOWN:
            self._fitting[signature] = result
        return result

    def _check_place(self, name: str, x: Any) -> None:
        """Raise UsageError for an operand that does not lie where the matrix was packed."""
        if place_of(x) != self.place:
            move = "cupy.asarray(x)" if self.place == "gpu" else "x.get()"
            where = {"cpu": "in main memory", "gpu": "on the GPU"}
            raise UsageError(
                f"{self.op.name}: {name} is {where[place_of(x)]}, but the matrix was packed "
                f"{where[self.place]}: nothing is copied unasked; write {move}"
            )

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle keeps: of op and kernel the names."""
        if self.kernel.name not in {kernel.name for kernel in kernels_for(self.op)}:
            raise UnsupportedOpError(
                f"{self.kernel.name} was generated, and is not found again by its name: pickle the "
                f"matrix, and generate the kernel anew"
            )
        names = {"op": self.op.name, "kernel": self.kernel.name}
        return {n: x for n, x in vars(self).items() if n != "_level"} | names

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Find op, kernel and level again."""
        vars(self).update(state)
        self.op = OPS[state["op"]]
        self.kernel = {k.name: k for k in kernels_for(self.op)}[state["kernel"]]
        self._level = level_at(self.kernel, self.level, self.place)

    def __repr__(self) -> str:
        """Return what it computes, and what packing took."""
        m, k = self.type.dims
        return (
            f"Prepared({self.op.name}, {self.kernel.format_name} {self.level}, {m}x{k} "
            f"{self.type.dtype}, {self.bytes / 1000:.3g} kB packed in {self.seconds * 1e3:.3g} ms)"
        )


def prepare(
    op: str,
    A: Matrix | Array,
    columns: int = 256,
    level: str = "vectorized",
    attrs: Mapping[str, Any] | None = None,
) -> Prepared:
    """Pack a matrix once, to multiply with it many times.

    Parameters
    ----------
    op : str
        ``"spmm"``, ``"spmv"``, ``"spmm_bias"``, ``"spmm_bias_relu"``, ``"spmm_bias_gelu"`` or
        another that multiplies A with something.
    A : Matrix or ndarray
        ``[M, K]``.
    columns : int
        About how many columns it will be multiplied with. A hint: any number is computed right.
    level : str
        Which level of the kernel; ``"library"``, or a library's name, where one is installed.
    attrs : mapping, optional
        Of what comes after the product: ``{"min": 0, "max": 6}`` for ``"spmm_bias_clip"``.

    Returns
    -------
    Prepared
        To be called with the other operands.

    Raises
    ------
    UnsupportedOpError
        If there is no such op, or no kernel for A's format, or the kernel has no such level, or the
        library refuses.
    MissingExtraError
        If the library is not installed.
    ShapeError
        If A is no matrix of numbers, ``columns`` no integer of at least 0, or there is no such
        attribute.

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
    if not are_ints((columns,), 1, 0):
        raise ShapeError(f"prepare: columns is {columns!r}: it must be an integer of at least 0")
    if not isinstance(A, Matrix):
        A = as_plain(A, "prepare", "A", may_be_sparse=True)
        if A.ndim != 2 or not is_supported(A.dtype):
            raise ShapeError(f"prepare: A is {dense_type(A)}; it must be a matrix of numbers")
    kernel, name = name_level(OPS[op], _type(A).format, level, (_type(A),), place_of(A))
    return Prepared(OPS[op], kernel, name, A, columns, OPS[op].complete(attrs or {}))


def _takes_packed(op: Op) -> bool:
    """Tell whether an op has one matrix to pack, and its product no attributes."""
    beside = len(op.base.operands) > 1  # else packing would be all the work
    return len(op.base.sparse) == 1 and beside and not op.base.attrs


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
        Where the result goes, of its shape and dtype; it may overlap operands.
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
    place = one_place(op, given, out)
    types = [_type(x) for x in given]
    (result,) = op.infer(types, complete)
    into = None if out is None else checked_out(out, result, op, given)
    at = op.base.weight
    format = "dense" if at is None else types[at].format
    kernel, name = name_level(op, format, level, op.split(types)[0], place)
    found = level_at(kernel, name, place)
    if at is not None:
        rows = max((1, *given[at].shape[:1]))
        given[at] = pack(found, given[at], -(-result.size // rows), once=True)
    with np.errstate(all="ignore"):  # 0 * inf and overflow are values here, not accidents
        result = execute(op, found, given, complete, into)
    return result if out is into else _copied(result, out)


def _type(a: Matrix | Array) -> TensorType:
    return a.type if isinstance(a, Matrix) else dense_type(a)


def _copied(result: Array, out: Array | None) -> Array | None:
    """Write a result to an ``out`` that overlapped operands."""
    if out is not None:
        out[...] = result
    return out
