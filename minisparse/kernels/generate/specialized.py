"""A kernel that writes itself: for each matrix that it is given, source with that matrix baked in.

This is how generated kernels take part in dispatch. The kernel is one value for an op and a format,
as those written by hand are; what it prepares is a matrix for which source is written when the
dtypes of the other operands are first known. The length of the free letter, usually the batch,
stays open: no batch needs source of its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from types import FunctionType
from typing import Any

from minisparse.core.dtypes import DType
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.formats import Matrix
from minisparse.kernels.generate.asked import by_hand, fused_op, usual_types
from minisparse.kernels.generate.expression import EXPRESSIONS, expression_of
from minisparse.kernels.generate.nest import EPILOGUES, Nest, describe
from minisparse.kernels.generate.runs import Packed, bake, pack
from minisparse.kernels.generate.vectorized import write_vectorized
from minisparse.kernels.generate.work import generated_work
from minisparse.kernels.generate.written import REMEMBERED, written
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.lookup import kernels_for
from minisparse.ops import Op

MOST_KNOWN = 64
"""Combinations of operand types whose function is found at once."""


@lru_cache(maxsize=REMEMBERED)
def vectorized_function(nest: Nest) -> FunctionType:
    """Return the vectorized form of a nest, compiled."""
    return written(nest.name, write_vectorized(nest))


class Specialized:
    """A matrix, and the functions that were written for it; what a generated level prepares.

    Attributes
    ----------
    op : Op
        Perhaps fused: its epilogue is inlined.
    attrs : mapping
        Of the epilogue, complete.
    type : TensorType
        The matrix's.
    """

    def __init__(self, op: Op, attrs: Mapping[str, Any], a: Any) -> None:
        self.op, self.attrs = op, dict(attrs)
        self.type = a.type if isinstance(a, Matrix) else dense_type(a)
        self._matrix = a
        self._packed: dict[DType, Packed] = {}
        self._known: dict[tuple[Any, ...], tuple[FunctionType, Any]] = {}
        self._baked: tuple[tuple[Any, ...], tuple[Any, ...]] | None = None
        self._nest = self.nest_for(usual_types(op, self.type))
        self._as_packed(self._nest)

    @property
    def nbytes(self) -> int:
        """Bytes of what was packed."""
        return sum(p.nbytes for p in self._packed.values()) or int(self._matrix.nbytes)

    @property
    def source(self) -> str:
        """The source that runs for operands of the matrix's own dtype."""
        return write_vectorized(self._nest)

    def function_for(self, others: tuple[Any, ...]) -> tuple[FunctionType, Any]:
        """Return the function for these operands beside the matrix, and the packed matrix."""
        key = tuple((x.shape, x.dtype) for x in others)
        found = self._known.get(key)
        if found is None:
            nest = self.nest_for([dense_type(x) for x in others])
            found = vectorized_function(nest), self._as_packed(nest)
            if len(self._known) < MOST_KNOWN:
                self._known[key] = found
        return found

    def nest_for(self, others: list[TensorType]) -> Nest:
        """Return the nest for operands of these types, the free letter's length left open."""
        expression = expression_of(self.op.base.name)
        result, opened = expression.result.letters, []
        places = [r.letters for r in expression.plain]
        places += [
            result[:1] if part.name == "add_bias" else result
            for part in self.op.epilogue
            if len(part.operands) > 1
        ]
        for letters, type in zip(places, others, strict=True):
            last = letters[len(letters) - type.ndim :]  # as a residual broadcasts
            shape = tuple(
                letter.upper() if letter in expression.free else dim
                for letter, dim in zip(last, type.shape, strict=True)
            )
            opened.append(TensorType(shape, type.dtype))
        opened.insert(self.op.base.weight or 0, self.type)
        return self._with_pattern(describe(self.op, opened, self.attrs))

    def _with_pattern(self, nest: Nest) -> Nest:
        """Return the nest with the matrix's pattern in it, which is looked at once."""
        if nest.layout.format == "dense":
            return nest
        if self._baked is None:
            found = bake(nest, self._matrix)
            self._baked = found.runs, found.diagonals
        runs, diagonals = self._baked
        return replace(nest, runs=runs, diagonals=diagonals)

    def _as_packed(self, nest: Nest) -> Any:
        """Return the matrix packed in the dtype in which the nest sums."""
        if nest.layout.format == "dense":
            return self._matrix
        if nest.wide not in self._packed:
            self._packed[nest.wide] = pack(nest, self._matrix)
        return self._packed[nest.wide]


def run_specialized(at: int, *operands: Any) -> Any:
    """Compute with the function written for a prepared matrix, which is operand ``at``."""
    others = operands[:at] + operands[at + 1 :]
    function, packed = operands[at].function_for(others)
    return function(*others[:at], packed, *others[at:])


def can_generate(op: Op, format: str) -> bool:
    """Tell whether :func:`generated_kernels` has a kernel for an op and a format."""
    if op.base.name not in EXPRESSIONS or any(p.name not in EPILOGUES for p in op.epilogue):
        return False
    if op.epilogue and expression_of(op.base.name).scale is not None:
        return False
    return format in (kernel.format_name for kernel in kernels_for(op))


def generated_kernels(op: Op | str, format: str, attrs: Mapping[str, Any] | None = None) -> Kernel:
    """Return a kernel for any matrix in a format that writes its source once it is given one.

    What dispatch takes for a candidate: ``work`` prices it from the pattern, before anything is
    written; ``prepare`` packs the matrix; source is written when it first runs.

    Parameters
    ----------
    op : Op or str
        Perhaps fused; the epilogue is inlined then, and the level computes the op as a whole.
    format : str
        Of the matrix: ``"csr"`` …, or ``"dense"``.
    attrs : mapping, optional
        Of the epilogue; those left out take their defaults.

    Raises
    ------
    UnsupportedOpError
        If there is no index expression for the op, no such format, or a part of the epilogue
        cannot be inlined.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.formats import from_dense
    >>> from minisparse.kernels import pack
    >>> level = generated_kernels("spmm", "csr").levels["vectorized"]
    >>> level.run(pack(level, from_dense(np.eye(2), "csr")), np.array([[3.0], [4.0]]))
    array([[3.],
           [4.]])
    """
    whole = fused_op(op, ())
    complete = whole.complete(attrs or {})
    if expression_of(whole.base.name).scale is not None and whole.epilogue:
        raise UnsupportedOpError(f"generate: {whole.name}: a sampled product takes no epilogue")
    odd = [part.name for part in whole.epilogue if part.name not in EPILOGUES]
    if odd:
        raise UnsupportedOpError(f"generate: {odd[0]} cannot be inlined")
    known = [kernel.format_name for kernel in kernels_for(whole)]
    if format not in known:
        raise UnsupportedOpError(
            f"generate: {whole.name} on {format!r:.40}: formats: {', '.join(known)}"
        )
    beneath = by_hand(whole, format)
    level = Level(
        partial(run_specialized, whole.base.weight or 0),
        partial(_specialize, whole, complete),
        partial(generated_work, whole.base.name),
        whole=complete if whole.epilogue else None,
    )
    name = f"generated_{whole.name}_{format}"
    return Kernel(whole, beneath.format, beneath.bytes_moved, vectorized=level, name=name)


def _specialize(op: Op, attrs: Mapping[str, Any], a: Any, columns: int = 256) -> Specialized:
    return Specialized(op, attrs, a)
