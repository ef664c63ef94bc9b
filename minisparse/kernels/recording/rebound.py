"""The same function in a world where NumPy, ``math``, ``range`` and ``int`` keep a record.

Only the names that a function finds in its module are exchanged; its code is the very same.
"""

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from minisparse.core.errors import InternalError
from minisparse.formats import Matrix
from minisparse.kernels.recording.arrays import RecordedArray, RecordedMatrix, bare, made
from minisparse.kernels.recording.scalars import Index, Number, plain, source_of
from minisparse.kernels.recording.tally import Tally

OURS = "minisparse.kernels."
"""Helpers from these modules are recorded too."""
MAKERS = {"zeros": True, "ones": True, "full": True, "empty": False}
"""Functions of NumPy that make an array from its shape, and whether they fill it."""


class RecordingNumPy:
    """NumPy, but that arrays it makes are recorded."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name not in MAKERS:
            return found
        return lambda *args, **more: made(
            self._tally, found(*bare(args), **bare(more)), filled=MAKERS[name]
        )

    def array(self, x: Any, dtype: Any = None) -> Any:
        """Return a new array of what a list holds."""
        items = x if isinstance(x, list) else [x]
        for item in items:
            if isinstance(item, RecordedArray):
                self._tally.note_whole([item], None)
        role = "indices" if any(isinstance(item, Index) for item in items) else "values"
        return made(self._tally, np.array(bare(x), dtype), role=role)

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """Return ``x`` as an array of a dtype."""
        if not isinstance(x, RecordedArray):
            return np.asarray(x, dtype)
        return x.standing_for(np.asarray(x.values, dtype))


def remembering_range(*bounds: int) -> Sequence[int]:
    """Count as ``range`` does; where the start came through an index, so does what is counted."""
    source = source_of(bounds[0]) if len(bounds) > 1 else 0
    numbers = range(*(int(bound) for bound in bounds))
    return numbers if not source else [Index(i, source) for i in numbers]


class RememberingInt:
    """``int``, also as a dtype; an integer read from an array of indices stays what it is."""

    dtype = np.dtype(int)

    def __call__(self, x: Any = 0) -> int:
        """Return ``x`` as an integer."""
        return x if isinstance(x, Index) else int(plain(x))


def remembering_type(tally: Tally, x: Any) -> Any:
    """Return what makes another one of the kind of ``x``."""
    return build_with(tally, type(x.matrix)) if isinstance(x, RecordedMatrix) else type(x)


class RememberingFloat:
    """``float``, also as a dtype; a number that counts goes on to do so."""

    dtype = np.dtype(float)

    def __call__(self, x: Any = 0.0) -> Any:
        """Return ``x`` as Python's float."""
        return Number(float(x.value), x.tally) if isinstance(x, Number) else float(x)


def build_with(tally: Tally, kind: type[Matrix]) -> Callable[..., RecordedMatrix]:
    """Return a constructor of recorded matrices."""
    return functools.partial(build, tally, kind)


def build(tally: Tally, kind: type[Matrix], *args: Any) -> RecordedMatrix:
    """Return a new matrix of a format; arrays given as lists are made now."""
    matrix = kind(*bare(args))
    arrays = {}
    for (name, role), given in zip(matrix.roles.items(), args, strict=False):
        is_array = isinstance(given, RecordedArray)
        arrays[name] = given if is_array else made(tally, matrix.arrays[name], role=role)
        arrays[name].root.role = role
    return RecordedMatrix(matrix, arrays)


class RecordingMath:
    """The module ``math``, but that its functions of recorded numbers are counted."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(math, name)
        return functools.partial(self._call, found) if callable(found) else found

    @staticmethod
    def _call(function: Callable[..., Any], *args: Any) -> Any:
        result = function(*map(plain, args))
        tallies = [x.tally for x in args if isinstance(x, Number)]
        if not tallies or not isinstance(result, float):
            return result
        tallies[0].flops += 1
        return Number(result, tallies[0])


def rebind(function: Callable[..., Any], tally: Tally) -> Callable[..., Any]:
    """Return the function, and the helpers it calls, with names that keep a record.

    Parameters
    ----------
    function : callable
        Written in Python: a level's ``run``.
    tally : Tally
        Where the record goes.
    """
    standing = {
        "range": remembering_range,
        "int": RememberingInt(),
        "float": RememberingFloat(),
        "np": RecordingNumPy(tally),
        "math": RecordingMath(),
        "type": functools.partial(remembering_type, tally),
    }
    return _rebind(function, standing, {}, tally)


def _rebind(
    function: Callable[..., Any],
    standing: dict[str, Any],
    done: dict[Any, FunctionType],
    tally: Tally,
) -> FunctionType:
    if function in done:
        return done[function]
    if not isinstance(function, FunctionType):
        raise InternalError(f"recording: {function!r} is no function written in Python")
    names = {**function.__globals__}
    again = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    again.__kwdefaults__ = function.__kwdefaults__
    done[function] = again
    for name in _names(function.__code__):
        found = names.get(name, getattr(builtins, name, None))
        if name in standing and (name not in names or found in (np, math)):
            names[name] = standing[name]
        elif isinstance(found, FunctionType) and found.__module__.startswith(OURS):
            names[name] = _rebind(found, standing, done, tally)
        elif isinstance(found, type) and issubclass(found, Matrix):
            names[name] = build_with(tally, found)
    return again


def _names(code: CodeType) -> set[str]:
    """Return the names that code looks up, in its inner functions too."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)
