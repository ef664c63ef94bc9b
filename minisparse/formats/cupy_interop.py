"""To CuPy's sparse matrices on a GPU and back; always a copy, since CuPy's may be written into.

What is on the GPU already is copied there; what is in main memory crosses the bus.
"""

from typing import Any

from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.extras import require
from minisparse.core.xp import is_on_gpu, to_device
from minisparse.formats.base import Matrix
from minisparse.formats.coo import COO
from minisparse.formats.csc import CSC
from minisparse.formats.csr import CSR

_DTYPES = ("bool", "float32", "float64", "complex64", "complex128")


def from_cupy(s: Any) -> Matrix:
    """Return a copy of a CuPy sparse matrix, in the same format and on the same GPU.

    ``A.to_device("cpu")`` brings it to main memory.

    Parameters
    ----------
    s : cupyx.scipy.sparse matrix
        COO, CSR or CSC. Stored entries keep their order, duplicates and explicit zeros included.

    Raises
    ------
    UnsupportedOpError
        If it is in another format, or not a CuPy sparse matrix.
    FormatError, ShapeError
        If its arrays break a rule of the format, or it is not 2-D.
    """
    format = getattr(s, "format", None)
    if format not in ("coo", "csr", "csc") or not is_on_gpu(getattr(s, "data", None)):
        raise UnsupportedOpError(
            f"from_cupy: {type(s).__name__}: it must be CuPy's coo, csr or csc; other sparse "
            f"matrices have .tocsr()"
        )
    if len(s.shape) != 2:  # arrays, unlike matrices, may be vectors
        raise ShapeError(f"from_cupy: shape is {s.shape}: it must be a matrix (M, K)")
    if format == "coo":
        return COO(s.data.copy(), s.row.copy(), s.col.copy(), s.shape)
    # The arrays may be longer than what they hold.
    kept = int(s.indptr[-1]) if len(s.indptr) else 0
    compressed: dict[str, type[CSR | CSC]] = {"csr": CSR, "csc": CSC}
    arrays = s.data[:kept].copy(), s.indices[:kept].copy(), s.indptr.copy()
    return compressed[format](*arrays, s.shape)


def to_cupy(A: Matrix) -> Any:
    """Return a copy on the current GPU as a CuPy sparse matrix of the same format.

    Raises
    ------
    UnsupportedOpError
        If CuPy has no such format: it has COO, CSR and CSC.
    DTypeError
        If CuPy has no sparse matrices of that dtype.
    MissingExtraError
        If CuPy is not installed.
    UsageError
        If there is no GPU.
    """
    sparse = require("cupyx.scipy.sparse", "gpu-cuda13", "to_cupy")
    if A.format not in ("coo", "csr", "csc"):
        raise UnsupportedOpError(
            f"to_cupy: CuPy has no format {A.format!r}; write to_cupy(A.to('csr'))"
        )
    if A.dtype.name not in _DTYPES:
        raise DTypeError(
            f"to_cupy: CuPy has no sparse {A.dtype}, only {', '.join(_DTYPES)}; widen the values "
            f"first: A.with_data(A.data.astype('float32'))"
        )
    data, *rest = (to_device(array, "gpu", "to_cupy").copy() for array in A.arrays.values())
    parts = (data, tuple(rest)) if A.format == "coo" else (data, *rest)
    return getattr(sparse, f"{A.format}_matrix")(parts, shape=A.shape)
