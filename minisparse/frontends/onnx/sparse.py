"""Sparse weights: from ``SparseTensorProto`` of any rank to matrices.

A tensor ``[M, C, h, w]`` is the matrix ``[M, C * h * w]`` for us, as everywhere where filters are
stored sparse; its shape is kept beside it.
"""

import math
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError, ModelFileError
from minisparse.core.extras import require
from minisparse.formats import COO
from minisparse.formats.onnx_interop import from_onnx
from minisparse.frontends.onnx.reader import ModelFile
from minisparse.frontends.onnx.tensors import to_array


def to_matrix(proto: Any, file: ModelFile) -> tuple[COO, tuple[int, ...]]:
    """Return a sparse tensor as a matrix, and the shape that it has in the model.

    Parameters
    ----------
    proto : onnx.SparseTensorProto
        Values ``[NNZ]`` and indices, ``[NNZ, rank]`` or linearized ``[NNZ]``.
    file : ModelFile
        The model that it belongs to.

    Returns
    -------
    matrix : COO
        ``[first dimension, all others]``; of a vector ``[1, its length]``.
    dims : tuple of int
        The tensor's shape.

    Raises
    ------
    ModelFileError, FormatError, DTypeError
        If its parts contradict each other.
    """
    onnx = require("onnx", "onnx", "reading ONNX models")
    dims = tuple(proto.dims)
    if not dims or min(dims) < 0 or math.prod(dims) > 2**63 - 1:
        raise ModelFileError(f"its dimensions are {list(dims)}: there must be some, none negative")
    values = to_array(proto.values, file)
    indices = _linear(to_array(proto.indices, file), dims)
    shape = (dims[0], math.prod(dims[1:])) if len(dims) > 1 else (1, dims[0])
    flat = onnx.SparseTensorProto(
        values=onnx.numpy_helper.from_array(values),
        indices=onnx.numpy_helper.from_array(indices),
        dims=shape,
    )
    return from_onnx(flat), dims


def _linear(indices: Array, dims: tuple[int, ...]) -> Array:
    """Return indices counted through all cells, whichever of the two forms they have."""
    if indices.dtype != np.int64 or indices.ndim not in (1, 2):
        raise FormatError(f"its indices are {indices.dtype} of rank {indices.ndim}, not int64")
    if indices.ndim == 1:
        return indices
    if indices.shape[1] != len(dims):
        raise FormatError(f"its indices are {list(indices.shape)} for {len(dims)} dimensions")
    if ((indices < 0) | (indices >= np.array(dims))).any():
        raise FormatError(f"its indices leave its shape {list(dims)}")
    strides = [math.prod(dims[axis + 1 :]) for axis in range(len(dims))]
    return indices @ np.array(strides, np.int64)
