"""Types of values: ONNX's ``TypeProto`` and ours.

A sequence is a vector of objects for us, and an optional an object without dimensions: no op of
ours takes them, but they can be handed from one node that onnx itself computes to the next.
"""

from typing import Any

import numpy as np

from minisparse.core.dtypes import DType
from minisparse.core.errors import DTypeError
from minisparse.core.extras import require
from minisparse.core.symbolic import UNKNOWN, Dim, add, is_unknown, names_in
from minisparse.core.tensor_type import TensorType

OBJECT: DType = np.dtype(object)
"""The dtype of texts, sequences and optionals."""


def dtype_of(code: int) -> DType:
    """Return the dtype of an ONNX element type: ``object`` for text.

    Raises
    ------
    DTypeError
        If there is no such element type.
    """
    onnx = require("onnx", "onnx", "reading ONNX models")
    if code == onnx.TensorProto.STRING:
        return OBJECT
    try:
        found: DType = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(code))
    except KeyError as error:
        raise DTypeError(f"there is no ONNX element type {code}") from error
    return found


def code_of(dtype: DType) -> int:
    """Return the ONNX element type of a dtype.

    Raises
    ------
    DTypeError
        If ONNX has none.
    """
    onnx = require("onnx", "onnx", "reading ONNX models")
    if dtype.kind in "OUS":
        return int(onnx.TensorProto.STRING)
    try:
        return int(onnx.helper.np_dtype_to_tensor_dtype(dtype))
    except (KeyError, ValueError) as error:
        raise DTypeError(f"ONNX has no element type {dtype}") from error


def from_proto(proto: Any, name: str) -> TensorType | None:
    """Return the type that a ``TypeProto`` says; None where it leaves dtype or rank open.

    Parameters
    ----------
    proto : onnx.TypeProto
        The type of a value.
    name : str
        The value's name: sizes that have no name get one from it, ``"x_0"``.

    Raises
    ------
    DTypeError
        If the element type does not exist.
    """
    kind = proto.WhichOneof("value")
    if kind == "sequence_type":
        return TensorType((f"{name}_length",), OBJECT)
    if kind != "tensor_type":
        return TensorType((), OBJECT) if kind in ("optional_type", "map_type") else None
    tensor = proto.tensor_type
    if not tensor.elem_type or not tensor.HasField("shape"):
        return None
    shape = tuple(_dim(d, f"{name}_{i}") for i, d in enumerate(tensor.shape.dim))
    return TensorType(shape, dtype_of(tensor.elem_type))


def is_tensor(proto: Any) -> bool:
    """Tell whether a ``TypeProto`` is that of a tensor, or says nothing."""
    return proto.WhichOneof("value") in (None, "tensor_type")


def to_proto(type: TensorType) -> Any:
    """Return the ``TypeProto`` of a tensor's type; sizes without a number keep their text."""
    onnx = require("onnx", "onnx", "reading ONNX models")
    shape = [None if is_unknown(d) else d for d in type.shape]
    return onnx.helper.make_tensor_type_proto(code_of(type.dtype), shape)


def _dim(dim: Any, name: str) -> Dim:
    """Return one dimension: a number, the model's name for it, or ``name``."""
    if dim.WhichOneof("value") == "dim_value":
        return int(dim.dim_value)
    text = dim.dim_param.strip()
    if not text or UNKNOWN in text:
        return name
    found = add([text])  # written in the one way in which equal sums are equal texts
    return found if isinstance(found, str) and all(names_in(found)) else name
