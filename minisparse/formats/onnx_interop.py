"""To ONNX's ``SparseTensorProto`` and back.

It holds values ``[NNZ]``, the dense shape, and indices: ``[NNZ, rank]``, or ``[NNZ]`` of linearized
ones, ``row * K + col``; ascending and without duplicates (onnx.proto3, SparseTensorProto).
"""

import math
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, UsageError
from minisparse.core.extras import require
from minisparse.formats.base import Matrix
from minisparse.formats.coo import COO
from minisparse.formats.intake import as_shape, first_true, on_cpu


def from_onnx(proto: Any) -> COO:
    """Return a copy of an ONNX sparse tensor.

    Parameters
    ----------
    proto : onnx.SparseTensorProto or bytes
        The message, or the same serialized.

    Returns
    -------
    COO
        Canonical, as ONNX demands.

    Raises
    ------
    FormatError
        If the message is damaged, its parts contradict each other, or it is no matrix. Data that
        lies in other files is not read.
    MissingExtraError
        If onnx is not installed.
    """
    onnx = require("onnx", "onnx", "from_onnx")
    if isinstance(proto, bytes):
        proto = _parse(onnx, proto)
    if not isinstance(proto, onnx.SparseTensorProto):
        raise UsageError(f"from_onnx: {type(proto).__name__}: it must be a SparseTensorProto")
    shape = as_shape(list(proto.dims), "from_onnx: dims")
    data = _to_array(onnx, proto.values, "values")
    indices = _to_array(onnx, proto.indices, "indices")
    if (
        data.ndim != 1
        or indices.dtype != np.int64
        or indices.shape
        not in (
            (len(data),),
            (len(data), 2),
        )
    ):
        raise FormatError(
            f"from_onnx: values have shape {data.shape}, and indices {indices.shape} of "
            f"{indices.dtype}: it must be [NNZ], and [NNZ] or [NNZ, 2] of int64"
        )
    if indices.ndim == 1:
        _check_linear(indices, shape)
        row, col = np.divmod(indices, max(shape[1], 1))
    else:
        row, col = indices[:, 0], indices[:, 1]
    A = COO(data, row, col, shape)
    if not A.has_canonical_format:
        raise FormatError("from_onnx: indices must ascend, without duplicates")
    return A


def to_onnx(A: Matrix, name: str = "", *, linear: bool = False) -> Any:
    """Return a matrix as an ONNX sparse tensor.

    Parameters
    ----------
    A : Matrix
        Any format; it is stored as COO, sorted, duplicates summed.
    name : str
        The tensor's name, which ONNX keeps in its values.
    linear : bool
        Whether indices are linearized, ``[NNZ]``, instead of ``[NNZ, 2]``.

    Returns
    -------
    onnx.SparseTensorProto

    Raises
    ------
    UsageError
        If linearized indices would not fit into 64 bits.
    """
    on_cpu(A, "to_onnx")
    onnx = require("onnx", "onnx", "to_onnx")
    row, col, data, shape = A.to("coo").canonical().triplets()
    if linear and math.prod(shape) > 2**63 - 1:
        raise UsageError(
            f"to_onnx: linearized, the cells of {shape[0]}x{shape[1]} do not fit into 64 bits; "
            f"write linear=False"
        )
    row, col = row.astype(np.int64), col.astype(np.int64)
    indices = row * shape[1] + col if linear else np.stack([row, col], axis=1)
    return onnx.SparseTensorProto(
        values=onnx.numpy_helper.from_array(np.ascontiguousarray(data), name),
        indices=onnx.numpy_helper.from_array(indices, f"{name}_indices" if name else ""),
        dims=list(shape),
    )


def _parse(onnx: Any, text: bytes) -> Any:
    decode_error = require("google.protobuf.message", "onnx", "from_onnx").DecodeError
    proto = onnx.SparseTensorProto()
    try:
        proto.ParseFromString(text)
    except decode_error as error:
        raise FormatError(f"from_onnx: not a serialized SparseTensorProto: {error}") from error
    return proto


def _to_array(onnx: Any, tensor: Any, part: str) -> Array:
    """Return a tensor's values, after comparing its dims with what it holds."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.HasField("segment"):
        raise FormatError(f"from_onnx: {part} lie in another file; load the model with its data")
    if min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) > tensor.ByteSize():
        raise FormatError(
            f"from_onnx: {part} have dims {list(tensor.dims)}, but only {tensor.ByteSize()} bytes"
        )
    try:
        found: Array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise FormatError(f"from_onnx: {part}: {error}") from error
    if found.dtype == bool and found.size and found.view(np.uint8).max() > 1:
        raise FormatError(f"from_onnx: {part} hold bools that are neither 0 nor 1")
    return found


def _check_linear(indices: Array, shape: tuple[int, int]) -> None:
    """Refuse linearized indices outside of the shape."""
    wrong = (indices < 0) | (indices > min(math.prod(shape), 2**63) - 1)
    if wrong.any():
        at = first_true(wrong)[0]
        raise FormatError(
            f"from_onnx: indices[{at}] is {indices[at]}: it must be at least 0 and less than "
            f"{math.prod(shape)}, the number of cells"
        )
