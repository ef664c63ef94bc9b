"""Arrays that lie in another process as they lie here: strides, sharing, and which are the same.

A kernel that ignores strides, writes to its inputs, returns its own buffer or remembers an array
must do so in a worker as well. So the memory of an argument travels as a whole, an argument
that came before is the same object again, and what was changed or is shared travels back.
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.oracle.foreign.frames import dtype_of, unpack

Entry = dict[str, Any]


class Block(NamedTuple):
    """The memory from the first to the last byte of an array."""

    low: int
    nbytes: int

    def read(self) -> bytes:
        """Return what is there."""
        return ctypes.string_at(self.low, self.nbytes) if self.nbytes else b""

    def write(self, raw: bytes) -> None:
        """Overwrite it, whether or not an array of it is read-only."""
        ctypes.memmove(self.low, raw, min(self.nbytes, len(raw)))


def block_of(x: Array) -> Block:
    """Return the memory in which an array lies.

    Examples
    --------
    >>> x = np.zeros((4, 4), "f4")
    >>> block_of(x[::2, 1]).nbytes, block_of(x[::-1]).low == x.ctypes.data
    (36, True)
    """
    if not x.size:
        return Block(x.ctypes.data, 0)
    low, high = np.lib.array_utils.byte_bounds(x)
    return Block(int(low), int(high - low))


def pack_in_place(name: str, x: Array, token: int) -> tuple[Entry, bytes]:
    """Return what a frame says of an argument, and its memory; the same token, the same array."""
    block = block_of(x)
    entry = {
        "name": name,
        "dtype": x.dtype.name,
        "shape": list(x.shape),
        "nbytes": block.nbytes,
        "strides": list(x.strides),
        "offset": x.ctypes.data - block.low if x.size else 0,
        "token": token,
        "writeable": bool(x.flags.writeable),
    }
    return entry, block.read()


def place(entry: Mapping[str, Any], raw: bytes, before: Mapping[int, Array]) -> Array:
    """Return an argument as it lies in the asking process; one from before is used again."""
    x = before.get(entry["token"])
    if x is None:
        x = _like(entry)
    block_of(x).write(raw)
    x.flags.writeable = entry["writeable"]
    return x


def _like(entry: Mapping[str, Any]) -> Array:
    """Return an array without values, with a base only where the original has gaps or is turned."""
    dtype, shape = dtype_of(entry), tuple(entry["shape"])
    for order in ("C", "F"):
        x: Array = np.empty(shape, dtype, order=order)
        if not x.size or x.strides == tuple(entry["strides"]):
            return x
    base = np.zeros(-(-entry["nbytes"] // dtype.itemsize), dtype)
    return np.ndarray(shape, dtype, base, entry["offset"], tuple(entry["strides"]))


def pack_result(x: Array, memory: Mapping[str, Sequence[Block]]) -> tuple[Entry, bytes]:
    """Return a result: its bytes, or where it lies within an argument or an earlier result."""
    block = block_of(x)
    for owner, blocks in memory.items():
        for number, whole in enumerate(blocks):
            start = block.low - whole.low
            if block.nbytes and start >= 0 and start + block.nbytes <= whole.nbytes:
                place = {"view_of": [owner, number], "offset": x.ctypes.data - whole.low}
                return {"dtype": x.dtype.name, "shape": list(x.shape), "nbytes": 0,
                        "strides": list(x.strides), **place}, b""  # fmt: skip
    entry = {"dtype": x.dtype.name, "shape": list(x.shape), "nbytes": x.nbytes}
    return entry, x.tobytes()


def unpack_result(entry: Mapping[str, Any], raw: bytes, memory: Mapping[str, list[Array]]) -> Array:
    """Return a result here, sharing the memory that it shared there."""
    if "view_of" not in entry:
        return unpack(entry, raw)
    owner, number = entry["view_of"]
    there = np.asarray(_Bytes(memory[owner][number]))
    shape, strides = tuple(entry["shape"]), tuple(entry["strides"])
    return np.ndarray(shape, dtype_of(entry), there, entry["offset"], strides)


class _Bytes:
    """The memory of an array as bytes; NumPy keeps it, and so the array, alive."""

    def __init__(self, owner: Array) -> None:
        self.owner = owner
        block = block_of(owner)
        self.__array_interface__ = {
            "version": 3, "typestr": "|u1", "shape": (block.nbytes,), "data": (block.low, False),
        }  # fmt: skip
