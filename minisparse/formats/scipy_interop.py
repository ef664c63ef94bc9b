"""To SciPy's sparse arrays and back; always a copy, since SciPy's may be written into."""

from typing import Any

import numpy as np

from minisparse.core.errors import DTypeError, ShapeError, UnsupportedOpError
from minisparse.core.extras import require
from minisparse.formats.base import Matrix
from minisparse.formats.bsr import BSR
from minisparse.formats.coo import COO
from minisparse.formats.csc import CSC
from minisparse.formats.csr import CSR
from minisparse.formats.intake import on_cpu


def from_scipy(s: Any) -> Matrix:
    """Return a copy of a SciPy sparse array or matrix, in the same format.

    Parameters
    ----------
    s : scipy.sparse array or matrix
        COO, CSR, CSC or BSR. Stored entries keep their order, duplicates and explicit zeros
        included.

    Raises
    ------
    UnsupportedOpError
        If it is in another format, or not a SciPy sparse array.
    FormatError, ShapeError
        If its arrays break a rule of the format, or it is not 2-D.
    """
    format = getattr(s, "format", None)
    if not hasattr(s, "tocoo") or format not in ("coo", "csr", "csc", "bsr"):
        what = type(s).__name__ if format is None else f"a {type(s).__name__} in format {format!r}"
        raise UnsupportedOpError(
            f"from_scipy: {what}: it must be SciPy's coo, csr, csc or bsr; other sparse arrays "
            f"have .tocsr()"
        )
    if not isinstance(s.data, np.ndarray):
        raise UnsupportedOpError(
            f"from_scipy: {type(s).__module__}.{type(s).__name__} is not SciPy's; CuPy's are "
            f"taken by from_cupy"
        )
    if len(s.shape) != 2:
        raise ShapeError(f"from_scipy: shape is {s.shape}: it must be a matrix (M, K)")
    if format == "coo":
        return COO(s.data.copy(), s.row.copy(), s.col.copy(), s.shape)
    # SciPy's arrays may be longer than what they hold.
    kept = int(s.indptr[-1]) if len(s.indptr) else 0
    arrays = s.data[:kept].copy(), s.indices[:kept].copy(), s.indptr.copy()
    compressed: dict[str, type[CSR | CSC | BSR]] = {"csr": CSR, "csc": CSC, "bsr": BSR}
    return compressed[format](*arrays, s.shape)


def to_scipy(A: Matrix) -> Any:
    """Return a copy as a SciPy sparse array of the same format; ``A.to_scipy()``.

    A is checked first: SciPy does not look at what it is given.
    """
    on_cpu(A, "to_scipy")
    A.check()
    sparse = require("scipy.sparse", "peers", f"{type(A).__name__}.to_scipy")
    constructor = getattr(sparse, f"{A.format}_array", None)
    if constructor is None:
        raise UnsupportedOpError(
            f"to_scipy: SciPy has no format {A.format!r}; write A.to('csr').to_scipy()"
        )
    if A.block is not None and (A.shape[0] % A.block[0] or A.shape[1] % A.block[1]):
        raise UnsupportedOpError(
            f"to_scipy: SciPy's bsr has no padding, and blocks of {A.block[0]}x{A.block[1]} do "
            f"not divide {A.shape[0]}x{A.shape[1]}; write A.to('csr').to_scipy()"
        )
    if A.dtype.name in ("float16", "bfloat16"):  # which SciPy would take, and then not compute with
        raise DTypeError(
            f"to_scipy: SciPy has no sparse arithmetic for {A.dtype}; widen the values first: "
            f"A.with_data(A.data.astype('float32')).to_scipy()"
        )
    arrays = {name: array.copy() for name, array in A.arrays.items()}
    data = arrays.pop("data")
    rest = tuple(arrays.values())
    return constructor((data, rest) if A.format == "coo" else (data, *rest), shape=A.shape)
