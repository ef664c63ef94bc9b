"""Reading safetensors: eight bytes with the header's length, a JSON header, and the tensors.

The header gives each tensor's dtype, shape and place in the bytes behind it; these must be covered
without holes and without overlaps (huggingface/safetensors, README, "Format"). Tensors that
``compressed-tensors`` has packed with a bitmask become sparse matrices:
:mod:`~minisparse.formats.files.bitmask`.
"""

import json
import math
import os
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import FormatError
from minisparse.core.extras import require
from minisparse.formats.base import Matrix
from minisparse.formats.files.archive import without_repeats
from minisparse.formats.files.bitmask import unpack_bitmasks

LARGEST_HEADER = 100_000_000
"""Bytes that a header may have: the limit of the reference implementation."""
_LARGEST_RANK = 32
_DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
}
_ML_DTYPES = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


class _Tensor(NamedTuple):
    """What the header says of one tensor."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    begin: int
    end: int


def read_safetensors(path: str | Path) -> dict[str, Array | Matrix]:
    """Read all tensors of a safetensors file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        From names to read-only arrays; ``name.compressed``, ``name.bitmask`` and ``name.shape``
        together become one Matrix called ``name``: NM where the checkpoint is 2:4, else CSR.

    Raises
    ------
    FormatError
        If the file is missing, truncated or damaged; the message names the tensor.
    MissingExtraError
        If it holds bfloat16 or 8-bit floats, and ``ml_dtypes`` is not installed.

    Examples
    --------
    >>> import tempfile
    >>> header = b'{"w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "w.safetensors")
    ...     values = np.array([1.0, 2.0], "<f4").tobytes()
    ...     _ = path.write_bytes(len(header).to_bytes(8, "little") + header + values)
    ...     read_safetensors(path)
    {'w': array([[1., 2.]], dtype=float32)}
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            header, data = _read_parts(stream, path)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such file") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error}") from error
    tensors = [_parse_tensor(name, said, path) for name, said in header.items()]
    _check_cover(tensors, len(data), path)
    return unpack_bitmasks({t.name: _view(data, t, path) for t in tensors}, str(path))


def _read_parts(stream: IO[bytes], path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the header without its metadata, and the bytes behind it."""
    size = os.fstat(stream.fileno()).st_size
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > min(LARGEST_HEADER, size - 8):
        raise FormatError(
            f"{path}: its first 8 bytes say that the header has {length} bytes, but the file has "
            f"{max(size - 8, 0)} more; is it complete?"
        )
    try:
        header = json.loads(
            stream.read(length).decode("utf-8"),
            object_pairs_hook=without_repeats,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise FormatError(f"{path}: its header is no JSON object")
    header.pop("__metadata__", None)
    return header, stream.read()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _parse_tensor(name: str, said: Any, path: Path) -> _Tensor:
    """Return what the header says of a tensor, with every type checked."""
    where = f"{path}: tensor {name!r}"
    if not isinstance(said, dict) or set(said) != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"{where}: its entry must be of dtype, shape and data_offsets")
    dtype = _parse_dtype(said["dtype"], where)
    shape, offsets = said["shape"], said["data_offsets"]
    if not _are_counts(shape) or len(shape) > _LARGEST_RANK:
        raise FormatError(f"{where}: shape is {_short(shape)}: it must be a list of sizes")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise FormatError(f"{where}: data_offsets is {_short(offsets)}: it must be [begin, end]")
    begin, end = offsets
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise FormatError(
            f"{where}: {end - begin} bytes are not {_short(shape)} values of {said['dtype']}"
        )
    return _Tensor(name, dtype, tuple(shape), begin, end)


def _are_counts(found: Any) -> bool:
    return isinstance(found, list) and all(type(n) is int and 0 <= n < 2**63 for n in found)


def _short(found: Any) -> str:
    return repr(found)[:80]


def _parse_dtype(name: Any, where: str) -> DType:
    if isinstance(name, str) and name in _DTYPES:
        return np.dtype(_DTYPES[name])
    if isinstance(name, str) and name in _ML_DTYPES:
        found = require("ml_dtypes", "io", f"{where}: {name}")
        dtype: DType = np.dtype(getattr(found, _ML_DTYPES[name]))
        return dtype
    known = ", ".join([*_DTYPES, *_ML_DTYPES])
    raise FormatError(f"{where}: dtype is {_short(name)}: it must be one of {known}")


def _check_cover(tensors: list[_Tensor], size: int, path: Path) -> None:
    """Refuse holes, overlaps, and tensors beyond the end."""
    at = 0
    for tensor in sorted(tensors, key=lambda t: (t.begin, t.end)):
        if tensor.begin != at:
            raise FormatError(
                f"{path}: tensor {tensor.name!r} begins at byte {tensor.begin}, but the one "
                f"before it ends at {at}"
            )
        at = tensor.end
    if at != size:
        raise FormatError(
            f"{path}: its tensors have {at} bytes together, but {size} are there; is it complete?"
        )


def _view(data: bytes, tensor: _Tensor, path: Path) -> Array:
    """Return a tensor as a view of the file's bytes."""
    raw = np.frombuffer(data, np.uint8, tensor.end - tensor.begin, tensor.begin)
    if tensor.dtype.kind == "b" and raw.size and raw.max() > 1:
        raise FormatError(f"{path}: tensor {tensor.name!r} holds bools that are neither 0 nor 1")
    if raw.ctypes.data % tensor.dtype.alignment:
        raw = raw.copy()
    try:
        found = raw.view(tensor.dtype).reshape(tensor.shape)
    except ValueError as error:  # no values, but dimensions that are too large for NumPy
        raise FormatError(f"{path}: tensor {tensor.name!r}: {error}") from error
    found.flags.writeable = False
    return found
