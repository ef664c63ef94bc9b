"""Run one level of a kernel for an op, fused or not: what the runtime calls for every node."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import InternalError
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.lookup import find_level
from minisparse.kernels.plain import UFUNCS
from minisparse.ops import ADD, ADD_BIAS, CLIP, GELU, MULTIPLY, RELU, SILU, Op

EPILOGUE_OPS: tuple[Op, ...] = (ADD_BIAS, RELU, GELU, SILU, CLIP, ADD)
"""Ops that can finish another's result: each element by itself.

A plain array is finished in place, tile by tile; a sparse result by the op's kernel for its format.
Both is done at the vectorized level, whatever the level before it.
"""


def pack(level: Level, matrix: Any, columns: int = 256, once: bool = False) -> Any:
    """Return a sparse operand in the form in which a level wants it.

    Parameters
    ----------
    level : Level
        Of a kernel for the matrix's format.
    matrix : Matrix or ndarray
        The operand.
    columns : int
        About how many columns it will be multiplied with; a hint that never limits.
    once : bool
        Whether it will be used in a single call; a hint too.
    """
    prepare = (level.prepare_once if once else None) or level.prepare
    return matrix if prepare is None else prepare(matrix, columns)


def execute(
    op: Op,
    level: Level,
    operands: Sequence[Any],
    attrs: Mapping[str, Any] | None = None,
    out: Array | None = None,
) -> Any:
    """Return the op's result: an array or, of an op whose result is sparse, a Matrix.

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
    return FusedCall(op, level, attrs or {})(*operands, out=out)


def bind(op: Op, level: Level, attrs: Mapping[str, Any]) -> Callable[..., Any]:
    """Return what :func:`execute` would do again and again, all but the operands settled.

    Parameters
    ----------
    op, level, attrs
        As for :func:`execute`.

    Returns
    -------
    callable
        From the operands to the result; it takes ``out=`` where the level does.
    """
    if op.epilogue:
        return FusedCall(op, level, attrs)
    if level.settle is not None:
        return level.settle(**attrs)
    return partial(level.run, **attrs) if attrs else level.run


class FusedCall:
    """An op with one level and its attributes: :func:`execute`, what it finds out remembered.

    A small layer is computed in microseconds, and to look at operands anew each time takes as long.

    Parameters
    ----------
    op, level, attrs
        As for :func:`execute`.
    """

    def __init__(self, op: Op, level: Level, attrs: Mapping[str, Any]) -> None:
        self._op, self._level, self._attrs = op, level, dict(attrs)
        self._own = op.attrs_of(op.base, attrs)
        self._counts = [len(part.operands) - 1 for part in op.epilogue]
        self._more = sum(self._counts)
        self._steps = [
            (part.name, _vectorized(part.name, "dense").run, op.attrs_of(part, attrs))
            for part in op.epilogue
        ]
        self._fits: dict[tuple[Any, ...], bool] = {}

    def __call__(self, *operands: Any, out: Array | None = None) -> Any:
        """Return the result, written to ``out`` where that is given."""
        level = self._level
        if level.whole is not None:
            result = self._whole(operands)
        else:
            result = self._base_and_epilogue(operands, out)
        if out is None or result is out:
            return result
        out[...] = result
        return out

    def _whole(self, operands: Sequence[Any]) -> Any:
        """Run a level that has the epilogue inlined, and its attributes baked in."""
        if self._level.whole != self._attrs:
            raise InternalError(
                f"{self._op.name} is run with {self._attrs} by a level made for {self._level.whole}"
            )
        return self._level.run(*operands)

    def _base_and_epilogue(self, operands: Sequence[Any], out: Array | None) -> Any:
        level, epilogue = self._level, self._op.epilogue
        stop = at = len(operands) - self._more
        rest = []
        for count in self._counts:
            rest.append(operands[at : at + count])
            at += count
        in_place = self._fits_in_place(operands)
        keywords = self._own.copy()
        if out is not None and level.takes_out and in_place:
            keywords["out"] = out
        if epilogue and in_place and level.fuses:
            keywords["finish"] = Epilogue(epilogue, rest, self._attrs)
            return level.run(*operands[:stop], **keywords)
        result = level.run(*operands[:stop], **keywords)
        sparse = isinstance(result, Matrix)
        for (name, run, own), more in zip(self._steps, rest, strict=True):
            if sparse:
                result = _vectorized(name, result.format).run(result, *more, **own)
            elif in_place:
                run(result, *more, **own, out=result)
            else:
                result = run(result, *more, **own)
        return result

    def _fits_in_place(self, operands: Sequence[Any]) -> bool:
        """Tell whether the epilogue keeps the dtype, which depends on dtypes alone."""
        if not self._more:
            return True
        dtypes = tuple([x.dtype for x in operands])
        found = self._fits.get(dtypes)
        if found is None:
            base, *rest = self._op.split(operands)
            found = self._fits[dtypes] = _fits_in_place(base, rest)
        return found


def in_place_operands(op: Op, level: Level) -> tuple[int, ...]:
    """Return which operands a result may be written over, ``out`` being that very array.

    Those of ops that compute each element from the elements at its place. A fused op is none of
    these: its base writes the result before the epilogue reads what is added to it.

    Parameters
    ----------
    op : Op
        What is computed.
    level : Level
        How; one that takes ``out=``.

    Examples
    --------
    >>> from minisparse.kernels import KERNELS
    >>> from minisparse.ops import ADD, SOFTMAX
    >>> [in_place_operands(op, KERNELS[f"{op.name}_dense"].levels["vectorized"])
    ...  for op in (ADD, SOFTMAX)]
    [(0, 1), ()]
    """
    if not level.takes_out or op.parts:
        return ()
    if op in (ADD, MULTIPLY) or op.name in UFUNCS:
        return tuple(range(len(op.operands)))
    return (0,) if op.elementwise or op in EPILOGUE_OPS else ()


def _fits_in_place(base: Sequence[Any], rest: Sequence[Sequence[Array]]) -> bool:
    """Tell whether the epilogue keeps the result's dtype: a wider bias makes it wider."""
    more = [x.dtype for operands in rest for x in operands]
    dtypes = {x.dtype for x in base}
    if len(dtypes) == 1 and dtypes.issuperset(more):
        return True
    dtype = np.result_type(*dtypes)
    return all(np.result_type(x, dtype) == dtype for x in more)


class Epilogue:
    """Applies ops one after another, in place, to some part of a result: a :class:`Finish`.

    A thread program does the same to an element in a register, for which it looks at what is to be
    done: at the attributes.

    Parameters
    ----------
    parts : sequence of Op
        Each among :data:`EPILOGUE_OPS`.
    operands : sequence of sequence of ndarray
        What each part takes beside the result; it broadcasts with the result, but for a bias
        beside a matrix, which has one value a row.
    attrs : mapping
        Attributes of all parts.
    """

    def __init__(
        self, parts: Sequence[Op], operands: Sequence[Sequence[Array]], attrs: Mapping[str, Any]
    ) -> None:
        self.parts, self.operands, self.attrs = parts, operands, attrs
        self._steps = [
            (
                _vectorized(part.name, "dense").run,
                part is ADD_BIAS,
                more,
                {n: attrs[n] for n in part.attrs},
            )
            for part, more in zip(parts, operands, strict=True)
        ]

    def __call__(self, tile: Array, index: tuple[slice, ...]) -> None:
        """Finish ``tile`` in place, which is ``C[index]``."""
        for run, by_row, more, own in self._steps:
            near = (x[index[0]] if by_row else _part(x, index) for x in more)
            run(tile, *near, **own, out=tile)


def _part(x: Array, index: tuple[slice, ...]) -> Array:
    """Return what of ``x`` meets ``C[index]``, where ``x`` broadcasts with C."""
    last = index[len(index) - x.ndim :]
    return x[tuple(s if n != 1 else slice(None) for s, n in zip(last, x.shape, strict=True))]


@cache
def _vectorized(name: str, format: str) -> Level:
    """Return the vectorized level of an epilogue op's kernel for results in a format."""
    part = next(op for op in EPILOGUE_OPS if op.name == name)
    return find_level(part, format, "vectorized")[1]
