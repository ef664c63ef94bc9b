"""Weights: from ``TensorProto`` to arrays, wherever their bytes lie.

What a tensor declares is held against what is there before anything is allocated. An array is a
view of the tensor's own bytes where it can be: reading a model copies its weights once.
"""

import math
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.errors import DTypeError, ModelFileError
from minisparse.core.extras import require
from minisparse.frontends.onnx.problems import is_inside
from minisparse.frontends.onnx.reader import ModelFile
from minisparse.frontends.onnx.types import OBJECT, dtype_of

_FIELDS = {
    "FLOAT": "float_data", "COMPLEX64": "float_data", "DOUBLE": "double_data",
    "COMPLEX128": "double_data", "INT64": "int64_data", "UINT32": "uint64_data",
    "UINT64": "uint64_data", "STRING": "string_data",
}  # fmt: skip
"""Which field holds elements that are not raw bytes; all others are in ``int32_data``."""


def to_array(tensor: Any, file: ModelFile) -> Array:
    """Return a tensor's elements.

    Parameters
    ----------
    tensor : onnx.TensorProto
        Raw, typed, or external.
    file : ModelFile
        The model that it belongs to, beside which external data lie.

    Returns
    -------
    ndarray
        Of the tensor's dtype and shape; not to be written to.

    Raises
    ------
    ModelFileError
        If shape and data contradict each other, or external data are not where they should be.
    DTypeError
        If the element type does not exist.
    """
    onnx = require("onnx", "onnx", "reading ONNX models")
    dtype = dtype_of(tensor.data_type)
    dims = tuple(tensor.dims)
    if min(dims, default=0) < 0:
        raise ModelFileError(f"its dimensions are {list(dims)}: none can be negative")
    if tensor.HasField("segment"):
        raise ModelFileError("it is a segment of a larger tensor, which ONNX itself cannot read")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _from_raw(onnx, tensor, dtype, dims, _external(tensor, file))
    if tensor.HasField("raw_data"):
        if dtype == OBJECT:
            raise ModelFileError("texts cannot be raw data")
        return _from_raw(onnx, tensor, dtype, dims, tensor.raw_data)
    return _from_field(onnx, tensor, dtype, dims)


def _from_raw(
    onnx: Any, tensor: Any, dtype: DType, dims: tuple[int, ...], raw: bytes | Array
) -> Array:
    """Return elements from little-endian bytes."""
    bits = _bits(onnx, tensor, dtype)
    wanted = -(-math.prod(dims) * bits // 8)
    if len(raw) != wanted:
        raise ModelFileError(
            f"its shape {list(dims)} of {dtype} needs {wanted} bytes, but it has {len(raw)}"
        )
    if bits < 8:
        return _by_onnx(onnx, tensor, raw)
    found = np.frombuffer(raw, np.uint8)
    if dtype.kind == "b" and found.size and found.max() > 1:
        raise ModelFileError("it holds bools that are neither 0 nor 1")
    if sys.byteorder == "big":
        found = found.reshape(-1, dtype.itemsize)[:, ::-1].copy().reshape(-1)
    return found.view(dtype).reshape(dims)


def _from_field(onnx: Any, tensor: Any, dtype: DType, dims: tuple[int, ...]) -> Array:
    """Return elements from the field that their type has."""
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    field = _FIELDS.get(name, "int32_data")
    stored = getattr(tensor, field)
    if dtype.kind == "c":
        wanted = 2 * math.prod(dims)
    else:
        bits = _bits(onnx, tensor, dtype)
        wanted = -(-math.prod(dims) * bits // 8) if bits < 8 else math.prod(dims)
    if len(stored) != wanted:
        raise ModelFileError(
            f"its shape {list(dims)} needs {wanted} elements in {field}, but it has {len(stored)}"
        )
    if dtype == OBJECT:
        texts = np.empty(len(stored), object)
        texts[:] = [text.decode("utf-8", "replace") for text in stored]
        return texts.reshape(dims)
    try:
        found: Array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"{field}: {error}") from error
    return found


def _by_onnx(onnx: Any, tensor: Any, raw: bytes | Array) -> Array:
    """Return elements of less than a byte, which onnx unpacks."""
    inner = onnx.TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=bytes(raw))
    found: Array = onnx.numpy_helper.to_array(inner)
    return found


def _bits(onnx: Any, tensor: Any, dtype: DType) -> int:
    """Return how many bits one element takes in raw data."""
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    for bits, ending in ((4, ("INT4", "FLOAT4E2M1")), (2, ("INT2",))):
        if name.endswith(ending):
            return bits
    return dtype.itemsize * 8


def _external(tensor: Any, file: ModelFile) -> Array:
    """Return the bytes of a tensor that lie in another file, uint8."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _path(entries.get("location", ""), file)
    offset, length = (_count(entries, key) for key in ("offset", "length"))
    there = path.stat().st_size
    start = offset or 0
    wanted = there - start if length is None else length
    if start + wanted > there or wanted < 0:
        raise ModelFileError(
            f"its data should be bytes {start} to {start + wanted} of {path.name}, which has only "
            f"{there}"
        )
    try:
        return np.fromfile(path, np.uint8, wanted, offset=start)
    except OSError as error:
        raise ModelFileError(f"its data in {path.name}: {error.strerror}") from error


def _path(location: str, file: ModelFile) -> Path:
    """Return the file of external data, which must be in the model's folder, links followed."""
    if file.folder is None:
        raise ModelFileError(f"its data lie in the file {location!r}: give the model's path")
    pure = PurePosixPath(location), PureWindowsPath(location)
    leaves = any(p.is_absolute() or p.anchor or ".." in p.parts for p in pure)
    if not location or "\0" in location or leaves:
        raise ModelFileError(f"its data lie in {location!r}, which is not a file beside the model")
    path = file.folder / location
    if not is_inside(path, file.folder):
        raise ModelFileError(f"its data lie in {location!r}, a link that leaves the model's folder")
    if not path.is_file():
        raise ModelFileError(f"its data lie in {location!r}, and there is no such file")
    return path


def _count(entries: dict[str, str], key: str) -> int | None:
    """Return an offset or a length, None where it is not given."""
    text = entries.get(key)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise ModelFileError(f"its external data have the {key} {text!r}, which is no number")
    return int(text)


def check(tensor: Any, file: ModelFile) -> str:
    """Return what is wrong with a tensor, empty where nothing is; its elements are not kept."""
    try:
        to_array(tensor, file)
    except (ModelFileError, DTypeError) as error:
        return str(error)
    return ""
