"""Frames, in which a problem goes to another process and the answer comes back.

A frame is a line of JSON and then the bytes of the arrays that it names, in their order, in C order
and little-endian. A question says ``id``, ``op``, ``returns`` and ``arrays``, an answer ``id`` and
``arrays``, or ``unsupported`` and why. The idea is that of Berkeley TestFloat's streams.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType, bfloat16

_LONGEST_LINE = 1 << 20
_MOST_BYTES = 1 << 31


class BadFrame(Exception):
    """What came is not a frame, or not a whole one."""


class Frame(NamedTuple):
    """A line and the bytes that follow it.

    Attributes
    ----------
    header : mapping
        What the line says.
    raws : list of bytes
        One for each of its ``arrays``, then one for each of its ``changed``.
    """

    header: Mapping[str, Any]
    raws: list[bytes]


def dump_frame(header: Mapping[str, Any], raws: Iterable[bytes] = ()) -> bytes:
    r"""Return a frame as bytes.

    Examples
    --------
    >>> dump_frame({"id": 3, "unsupported": "float16"})
    b'{"id": 3, "unsupported": "float16"}\n'
    """
    return b"".join([json.dumps(header).encode(), b"\n", *raws])


def read_frame(stream: BinaryIO) -> Frame | None:
    """Read one frame; None where the stream ends instead.

    Raises
    ------
    BadFrame
        If there is something else, or the stream ends inside of the frame.
    """
    line = stream.readline(_LONGEST_LINE)
    if not line.strip():
        if line:
            raise BadFrame("an empty line where a frame should start")
        return None
    try:
        header = json.loads(line)
    except ValueError as error:
        raise BadFrame(f"{_shown(line)} is not a line of JSON") from error
    if not isinstance(header, dict):
        raise BadFrame(f"{_shown(line)} is not a JSON object")
    entries = [*_listed(header, "arrays"), *_listed(header, "changed")]
    return Frame(header, [_read(stream, entry) for entry in entries])


def pack(name: str, x: Array) -> tuple[dict[str, Any], bytes]:
    """Return what a frame's line says of an array, and its bytes.

    Examples
    --------
    >>> pack("x", np.ones(2, "float32"))[0]
    {'name': 'x', 'dtype': 'float32', 'shape': [2], 'nbytes': 8}
    """
    entry = {"name": name, "dtype": x.dtype.name, "shape": list(x.shape), "nbytes": x.nbytes}
    return entry, x.tobytes()


def unpack(entry: Mapping[str, Any], raw: bytes) -> Array:
    """Return an array of a frame, writeable.

    Raises
    ------
    BadFrame
        If there is no such dtype, or dtype, shape and number of bytes contradict each other.
    """
    dtype, shape = dtype_of(entry), entry.get("shape")
    if not isinstance(shape, list) or any(not isinstance(n, int) or n < 0 for n in shape):
        raise BadFrame(f"'shape' is {shape!r}, but must be a list of lengths")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise BadFrame(f"{dtype}{shape} takes {math.prod(shape) * dtype.itemsize} bytes, "
                       f"but 'nbytes' is {len(raw)}")  # fmt: skip
    return np.frombuffer(bytearray(raw), dtype).reshape(shape)


def dtype_of(entry: Mapping[str, Any]) -> DType:
    """Return the dtype that a frame names."""
    name = entry.get("dtype")
    found = bfloat16() if name == "bfloat16" else None
    if found is not None:
        return found
    try:
        found = np.dtype(name) if isinstance(name, str) else None
    except TypeError:
        found = None
    if found is None:
        raise BadFrame(f"'dtype' is {name!r}, which is none")
    return found


def _listed(header: Mapping[str, Any], key: str) -> Sequence[Any]:
    """Return the entries under a key; none if it is not there."""
    found = header.get(key, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise BadFrame(f"'{key}' is not a list of objects")
    return found


def _read(stream: BinaryIO, entry: Mapping[str, Any]) -> bytes:
    count = entry.get("nbytes")
    if not isinstance(count, int) or not 0 <= count <= _MOST_BYTES:
        raise BadFrame(f"'nbytes' is {count!r}, but must be from 0 to {_MOST_BYTES}")
    raw = stream.read(count)
    if len(raw) < count:
        raise BadFrame(f"the stream ends after {len(raw)} of {count} bytes of an array")
    return raw


def _shown(line: bytes) -> str:
    text = line[:60].decode("ascii", "backslashreplace").strip()
    return repr(text + "…" if len(line) > 60 else text)
