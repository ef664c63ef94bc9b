"""What was asked for: the op with its epilogue, the type of the matrix, those of what is beside."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import DType, as_dtype
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.tensor_type import Layout, TensorType, dense_type
from minisparse.formats import Matrix, Pattern
from minisparse.kernels.generate.expression import expression_of
from minisparse.kernels.generate.nest import EPILOGUES
from minisparse.kernels.kernel import Kernel
from minisparse.kernels.lookup import kernels_for
from minisparse.ops import OPS, Op


def fused_op(op: str | Op, epilogue: Sequence[str]) -> Op:
    """Return the op with its epilogue."""
    whole = op if isinstance(op, Op) else OPS.get(op)
    if whole is None:
        raise UnsupportedOpError(f"generate: there is no op {op!r:.40}")
    for word in [epilogue] if isinstance(epilogue, str) else epilogue:
        part = EPILOGUES.get("add_bias" if word == "bias" else word)
        if part is None:
            raise UnsupportedOpError(
                f"generate: {word!r:.40} cannot be inlined; these can: {', '.join(EPILOGUES)}"
            )
        twice = set(part.attrs) & set(whole.attrs)
        if twice:
            raise UsageError(f"generate: {part.name} is there twice, and {min(twice)} with it")
        whole = whole.then(part)
    return whole


def stored_type(A: Any, layout: str | Layout | None, dtype: Any) -> TensorType:
    """Return the type of the matrix, whatever tells it."""
    if isinstance(A, Pattern):
        if layout is None:
            raise UsageError("generate: a Pattern does not say how to store it: give a layout")
        chosen = Layout(layout) if isinstance(layout, str) else layout
        if (chosen.block is None) == (chosen.format in ("bsr", "nm")):
            raise UsageError(f"generate: layout {chosen} needs a block: Layout('bsr', (4, 4))")
        found = as_dtype("float32" if dtype is None else dtype, "generate: dtype")
        return TensorType(A.shape, found, chosen.format, A.nnz, block=chosen.block)
    if layout is not None:
        raise UsageError("generate: layout goes with a Pattern; convert a matrix with A.to(...)")
    if isinstance(A, TensorType):
        return A
    if isinstance(A, Matrix):
        return A.type
    if isinstance(A, np.ndarray) and A.ndim == 2:
        return dense_type(A)
    raise UsageError(
        f"generate: A is {A!r:.60}: give a Matrix, a 2-D array, a TensorType or a Pattern"
    )


def usual_types(
    op: Op, a: TensorType, columns: int | str = "N", dtype: DType | None = None
) -> list[TensorType]:
    """Return the types of the operands beside the matrix, where nothing else is said of them.

    Parameters
    ----------
    op : Op
        Perhaps fused.
    a : TensorType
        The matrix's.
    columns : int or str
        The length of the letter that the matrix does not have, or a name where it is open.
    dtype : numpy.dtype, optional
        Of all of them; the matrix's by default.
    """
    expression, dtype = expression_of(op.base.name), dtype or a.dtype
    sizes = dict(zip(expression.stored.letters, a.shape, strict=True))
    sizes |= dict.fromkeys(expression.free, columns)
    types = [TensorType(tuple(sizes[x] for x in r.letters), dtype) for r in expression.plain]
    base = np.result_type(a.dtype, dtype)
    result = tuple(sizes[letter] for letter in expression.result.letters)
    for part in op.epilogue:
        if len(part.operands) > 1:
            shape = result[:1] if part.name == "add_bias" else result
            types.append(TensorType(shape, base))
    return types


def by_hand(op: Op, format: str) -> Kernel:
    """Return the kernel of the same op and format that was written by hand."""
    return next(kernel for kernel in kernels_for(op) if kernel.format_name == format)
