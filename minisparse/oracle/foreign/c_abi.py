"""Functions in shared libraries, called as ``minisparse.h`` says."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.oracle.foreign.frames import dtype_of
from minisparse.oracle.foreign.signature import Due, due
from minisparse.oracle.outcomes import Unsupported

HEADER = Path(__file__).parent / "minisparse.h"
"""The C header that describes the calls."""
DTYPES = tuple(
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 bfloat16 float32 float64 "
    "complex64 complex128".split()
)
"""What the numbers of ``ms_array.dtype`` mean."""
_MOST_DIMS = 4
_MOST_BYTES = 1 << 32
_UNSUPPORTED = 1
_GUARD = 64
"""Bytes before and after each output, which must stay as they are."""
_GUARDED = 0xA5
_UNSET = 0xFF  # NaN in every floating-point format


class WroteOutside(Exception):
    """A function wrote before or after the memory of an output."""


class CArray(ctypes.Structure):
    """``ms_array``."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("shape", ctypes.c_int64 * _MOST_DIMS),
        ("strides", ctypes.c_int64 * _MOST_DIMS),
    )


_Allocate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(CArray), ctypes.c_int64)


class Output:
    """Memory for one array of a result, between guards."""

    def __init__(self, dtype: DType, shape: tuple[int, ...]) -> None:
        count = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if count > _MOST_BYTES:
            raise MemoryError(f"an output of {count} bytes")
        self._memory = np.full(count + 2 * _GUARD, _GUARDED, np.uint8)
        inner = self._memory[_GUARD : _GUARD + count]
        inner[:] = 1 if dtype.kind == "b" else _UNSET
        self.array: Array = inner.view(dtype).reshape(shape)
        self.address = self._memory.ctypes.data + _GUARD

    def check(self, name: str) -> None:
        """Raise WroteOutside if a guard was changed."""
        for guard, where in ((self._memory[:_GUARD], "before"), (self._memory[-_GUARD:], "after")):
            if (guard != _GUARDED).any():
                raise WroteOutside(f"wrote {where} the memory of {name} {self.array.shape}")


def load_symbol(library: str, symbol: str) -> Callable[..., Any]:
    """Return a function of a shared library as ``call(arguments by name, returns)``.

    Raises
    ------
    OSError
        If the library cannot be loaded.
    AttributeError
        If it has no such symbol.
    """
    function = getattr(ctypes.CDLL(str(Path(library).resolve())), symbol)
    function.restype = ctypes.c_int
    function.argtypes = [
        ctypes.POINTER(CArray), ctypes.c_int32, ctypes.POINTER(CArray), ctypes.c_int32, _Allocate,
    ]  # fmt: skip

    def call(arguments: Mapping[str, Any], returns: Sequence[str]) -> Any:
        return _call(function, symbol, arguments, due(returns, arguments))

    return call


def _call(function: Any, symbol: str, arguments: Mapping[str, Any], wanted: list[Due]) -> Any:
    arrays = [np.asarray(x, None if hasattr(x, "dtype") else np.int64) for x in arguments.values()]
    inputs = (CArray * len(arrays))(*map(_described, arrays))
    outputs = (CArray * len(wanted))()
    memory: dict[int, Output] = {}
    for i, one in enumerate(wanted):
        outputs[i].dtype, outputs[i].ndim = DTYPES.index(one.dtype.name), len(one.shape)
        outputs[i].shape[: len(one.shape)] = one.shape
        if -1 not in one.shape:
            memory[ctypes.addressof(outputs[i])] = _provide(outputs[i], one.dtype, one.shape)

    def allocate(pointer: Any, length: int) -> int:
        try:
            target = pointer.contents
            shape = (length, *target.shape[1 : target.ndim])
            provided = _provide(target, dtype_of({"dtype": DTYPES[target.dtype]}), shape)
        except (ValueError, IndexError, MemoryError):  # no such pointer, length or dtype
            return 2
        memory[ctypes.addressof(target)] = provided
        return 0

    status = function(inputs, len(arrays), outputs, len(wanted), _Allocate(allocate))
    for one, output in zip(wanted, outputs, strict=True):
        if ctypes.addressof(output) in memory:
            memory[ctypes.addressof(output)].check(one.name)
    if status == _UNSUPPORTED:
        raise Unsupported(_which(arguments))
    if status != 0:
        raise RuntimeError(f"{symbol} returned {status}")
    results = [_result(one, output, memory) for one, output in zip(wanted, outputs, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _described(x: Array) -> CArray:
    item = x.dtype.itemsize
    return CArray(
        x.ctypes.data,
        DTYPES.index(x.dtype.name),
        x.ndim,
        (ctypes.c_int64 * _MOST_DIMS)(*x.shape),
        (ctypes.c_int64 * _MOST_DIMS)(*(step // item for step in x.strides)),
    )


def _provide(target: CArray, dtype: DType, shape: tuple[int, ...]) -> Output:
    """Give an output memory."""
    if any(n < 0 for n in shape):
        raise ValueError(f"a shape of {shape}")
    output = Output(dtype, shape)
    x = output.array
    target.data = output.address
    target.shape[: x.ndim] = shape
    target.strides[: x.ndim] = [step // dtype.itemsize for step in x.strides]
    return output


def _result(wanted: Due, output: CArray, memory: Mapping[int, Output]) -> Array:
    found = memory.get(ctypes.addressof(output))
    if found is None or output.data != found.address:
        raise RuntimeError(f"{wanted.name} has memory that allocate() did not give it")
    return found.array.copy()


def _which(arguments: Mapping[str, Any]) -> str:
    """Say in a few words what was refused: the dtypes, and whether something is not contiguous."""
    arrays = [x for x in arguments.values() if isinstance(x, np.ndarray)]
    names = dict.fromkeys(x.dtype.name for x in arrays)
    gaps = "" if all(x.flags.c_contiguous for x in arrays) else ", not contiguous"
    return f"{', '.join(names)}{gaps}"
