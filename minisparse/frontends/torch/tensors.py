"""From PyTorch's tensors and dtypes to arrays, matrices and NumPy's dtypes."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, DType, as_dtype
from minisparse.core.errors import DTypeError, UsageError
from minisparse.formats import Matrix, from_dense
from minisparse.formats.torch_interop import from_torch, to_array


def dtype_of(dtype: Any) -> DType:
    """Return NumPy's dtype for one of torch's.

    Raises
    ------
    DTypeError
        If minisparse has none: quantized types, float8.
    """
    name = str(dtype).removeprefix("torch.")
    try:
        return as_dtype(name, f"from_torch: {dtype}", plain=True)
    except DTypeError as error:
        raise DTypeError(
            f"from_torch: minisparse has no {dtype}: convert the module first, as in "
            f"module.to(torch.float32)"
        ) from error


def is_sparse(tensor: Any) -> bool:
    """Tell whether a tensor is stored sparse: COO, compressed or semi-structured."""
    return "sparse" in str(tensor.layout) or is_semi_structured(tensor)


def is_semi_structured(tensor: Any) -> bool:
    """Tell whether a tensor is one of ``torch.sparse.SparseSemiStructuredTensor``."""
    return any(kind.__name__ == "SparseSemiStructuredTensor" for kind in type(tensor).__mro__)


def to_matrix(tensor: Any, name: str) -> Matrix:
    """Return a copy of a sparse tensor as a matrix.

    Semi-structured tensors become n:m: 1:2 of 4-byte values, 2:4 of narrower ones, which is what
    the hardware has.

    Raises
    ------
    UsageError
        If the tensor is no matrix, or cannot be read on this machine.
    """
    try:
        if is_semi_structured(tensor):
            dense = to_array(tensor.detach().to_dense())
            n, m = (1, 2) if dense.dtype.itemsize == 4 else (2, 4)
            return from_dense(dense, "nm", n=n, m=m)
        return from_torch(tensor)
    except (ValueError, RuntimeError, NotImplementedError) as error:
        raise UsageError(f"from_torch: parameter '{name}': {_first_line(error)}") from error


def from_tensor(tensor: Any) -> Array:
    """Return a copy of a dense tensor as an array."""
    array: Array = np.ascontiguousarray(to_array(tensor.detach()))
    return array.reshape(tuple(tensor.shape))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
