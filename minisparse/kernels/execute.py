"""Run one level of a kernel for an op, fused or not: what the runtime calls for every node."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.kernel import Finish, Level
from minisparse.kernels.lookup import kernels_for
from minisparse.ops import ADD_BIAS, RELU, Op

EPILOGUE_OPS: tuple[Op, ...] = (ADD_BIAS, RELU)
"""Ops that can finish another's result in place: each row by itself, and in the same dtype."""


def pack(level: Level, matrix: Any, columns: int = 256) -> Any:
    """Return a sparse operand in the form in which a level wants it.

    Parameters
    ----------
    level : Level
        Of a kernel for the matrix's format.
    matrix : Matrix or ndarray
        The operand.
    columns : int
        About how many columns it will be multiplied with; a hint that never limits.
    """
    return matrix if level.prepare is None else level.prepare(matrix, columns)


def execute(
    op: Op,
    level: Level,
    operands: Sequence[Any],
    attrs: Mapping[str, Any] | None = None,
    out: Array | None = None,
) -> Any:
    """Return the op's result.

    Nothing is checked here: :meth:`Op.infer` did that, once. Like all kernels this follows
    IEEE 754 and may warn as NumPy does; enter ``np.errstate(all="ignore")`` around it.

    Parameters
    ----------
    op : Op
        Perhaps fused; the level is one of its base's kernel then.
    level : Level
        How to compute the base.
    operands : sequence
        Those of the base, the sparse one as :func:`pack` returned it, and then those of the
        epilogue.
    attrs : mapping, optional
        The op's attributes, complete.
    out : ndarray, optional
        Where the result goes; of its shape and dtype.
    """
    more = sum(len(part.operands) - 1 for part in op.epilogue)
    base, extra = operands[: len(operands) - more], operands[len(operands) - more :]
    finish, rest = _split(op, base, extra)
    keywords: dict[str, Any] = dict(attrs or {})
    if out is not None and level.takes_out and not rest:
        keywords["out"] = out
    if finish is not None and level.fuses:
        keywords["finish"] = finish
    result = level.run(*base, **keywords)
    if finish is not None and not level.fuses:
        finish(result, slice(0, result.shape[0]))
    if rest:
        result = _one_by_one(op.epilogue, result, extra)
    if out is None or result is out:
        return result
    out[...] = result
    return out


def _split(op: Op, base: Sequence[Any], extra: Sequence[Array]) -> tuple[Finish | None, bool]:
    """Return how to finish in place, and whether the epilogue must instead follow on its own.

    A bias of a wider dtype makes the result wider: that cannot happen in place.
    """
    if not op.epilogue:
        return None, False
    dtypes = {x.dtype for x in base}
    dtype = dtypes.pop() if len(dtypes) == 1 else np.result_type(*(x.dtype for x in base))
    if any(x.dtype != dtype and np.result_type(x, dtype) != dtype for x in extra):
        return None, True
    return make_finish(op.epilogue, extra), False


def make_finish(parts: Sequence[Op], operands: Sequence[Array]) -> Finish:
    """Return what applies ops one after another, in place, to some rows of a result.

    Parameters
    ----------
    parts : sequence of Op
        Each among :data:`EPILOGUE_OPS`.
    operands : sequence of ndarray
        What the parts take beside the result, in order; each with one value a row.
    """
    steps = []
    at = 0
    for part in parts:
        count = len(part.operands) - 1
        steps.append((_dense_level(part.name).run, operands[at : at + count]))
        at += count

    def finish(tile: Array, rows: slice) -> None:
        for run, more in steps:
            run(tile, *(x[rows] for x in more), out=tile)

    return finish


def _one_by_one(parts: Sequence[Op], result: Array, operands: Sequence[Array]) -> Array:
    at = 0
    for part in parts:
        count = len(part.operands) - 1
        result = _dense_level(part.name).run(result, *operands[at : at + count])
        at += count
    return result


@cache
def _dense_level(name: str) -> Level:
    """Return the vectorized level of an epilogue op's kernel on plain arrays."""
    part = next(op for op in EPILOGUE_OPS if op.name == name)
    (kernel,) = kernels_for(part)
    return kernel.levels["vectorized"]
