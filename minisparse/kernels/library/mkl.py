"""Intel's oneMKL: the inspector-executor sparse BLAS, its handles held as long as the matrix.

Called through ctypes, because what takes a handle for each call, as ``sparse_dot_mkl`` does, spends
up to three quarters of a small product on making it. The functions are those of the oneMKL C
reference, "Inspector-Executor Sparse BLAS Routines": ``mkl_sparse_?_create_csr`` and its kin,
``mkl_sparse_?_mm``, ``mkl_sparse_?_mv``, ``mkl_sparse_destroy``.

One thread, unless MKL_NUM_THREADS says otherwise: MKL's workers and those of NumPy's OpenBLAS both
wait by spinning, and where calls to the two take turns they starve each other (docs/libraries.md).
"""

import ctypes
import os
import sys
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import (
    InternalError,
    MissingExtraError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.formats import Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.provider import (
    INT32_MAX,
    Held,
    Offer,
    Provider,
    copied_bytes,
    int32_parts,
    only_dtypes,
    square_blocks,
    threads_asked,
    whole_blocks,
)
from minisparse.ops.op import Types

DTYPES = "float32 float64 complex64 complex128"
_LETTER = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
_PLACES = ("lib/libmkl_rt.so*", "lib/libmkl_rt*.dylib", "Library/bin/mkl_rt*.dll")
_ITS_THREADS = "the bits of MKL's result depend on the number of its threads"
_ZERO_BASED, _AS_IT_IS, _ROW_MAJOR, _GENERAL = 0, 10, 101, 20
_LP64, _ILP64 = 0, 1


class _Description(ctypes.Structure):
    """``struct matrix_descr``: a general matrix; the other two fields say nothing then."""

    _fields_ = [("type", ctypes.c_int), ("mode", ctypes.c_int), ("diagonal", ctypes.c_int)]


class _Complex64(ctypes.Structure):
    _fields_ = [("real", ctypes.c_float), ("imag", ctypes.c_float)]


class _Complex128(ctypes.Structure):
    _fields_ = [("real", ctypes.c_double), ("imag", ctypes.c_double)]


class _Handle:
    """A ``sparse_matrix_t``, destroyed when nobody holds it any more."""

    def __init__(self, format: str) -> None:
        self.value = ctypes.c_void_p()
        self.format = format

    def __reduce__(self) -> str:
        """Refuse: an address means nothing in another process, and two owners would free it."""
        raise UsageError("what MKL holds cannot be pickled or copied: call ms.prepare again there")


_NUMBERS: dict[str, Any] = {
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
    "complex64": _Complex64,
    "complex128": _Complex128,
}


def _where() -> Path | None:
    """Return the file of the library: what ``MKL_RT`` names, else where pip puts it."""
    named = os.environ.get("MKL_RT")
    if named:
        return Path(named) if Path(named).is_file() else None
    for pattern in _PLACES:
        found = sorted(Path(sys.prefix).glob(pattern))
        if found:
            return found[0]
    return None


@cache
def _mkl() -> ctypes.CDLL:
    """Load the library, once, with 32-bit integers.

    Raises
    ------
    MissingExtraError
        If it is not there.
    UnsupportedOpError
        If the process has it with 64-bit integers already.
    """
    path = _where()
    if path is None:
        raise MissingExtraError(
            "the level 'mkl' needs the library mkl_rt, which is not installed: "
            'pip install "minisparse[mkl]"'
        )
    library = ctypes.CDLL(str(path))
    if library.MKL_Set_Interface_Layer(_LP64) & _ILP64:
        raise UnsupportedOpError(
            "the level 'mkl' calls MKL with 32-bit integers, but this process has loaded it with "
            "64-bit ones: unset MKL_INTERFACE_LAYER"
        )
    return library


def _checked(status: int, what: str) -> None:
    if status != 0:
        raise InternalError(f"MKL: {what} failed with status {status} on operands it should take")


def _pointer(x: Array, skip: int = 0) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data + skip)


def _prepare(a: Matrix, columns: int = 256) -> Held:
    """Make a handle around the matrix's memory; indices are copied if they are not int32."""
    a.check()
    data = np.ascontiguousarray(a.arrays["data"])
    names = ("row", "col") if a.format == "coo" else ("indptr", "indices")
    arrays = (data, *int32_parts(a, *names))
    handle = _Handle(a.format)
    held = Held(handle, a.shape, a.dtype, a.nnz, copied_bytes(a, arrays), arrays)
    if a.nnz:  # of nothing MKL makes no handle
        made = getattr(_mkl(), f"mkl_sparse_{_LETTER[a.dtype.name]}_create_{a.format}")
        _checked(made(ctypes.byref(handle.value), *_parts(a, arrays)), f"create_{a.format}")
        weakref.finalize(handle, _mkl().mkl_sparse_destroy, handle.value)
    return held


def _parts(a: Matrix, arrays: tuple[Array, ...]) -> tuple[Any, ...]:
    """Return what the functions that create a handle want of a matrix."""
    data, *indices = arrays
    if a.format == "coo":
        return (_ZERO_BASED, *a.shape, a.nnz, *map(_pointer, indices), _pointer(data))
    starts, columns = indices
    # Where rows start and where they end are two arrays: one, and the same from its second on.
    places = (_pointer(starts), _pointer(starts, starts.itemsize), _pointer(columns))
    if a.block is None:
        return (_ZERO_BASED, *a.shape, *places, _pointer(data))
    size = a.block[0]
    sizes = (a.shape[0] // size, a.shape[1] // size, size)
    return (_ZERO_BASED, _ROW_MAJOR, *sizes, *places, _pointer(data))


def _multiply(a: Held, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ b`` for a matrix or vector b, which is copied if it has gaps."""
    if b.dtype != a.dtype or b.shape[0] != a.shape[1]:  # MKL reads whatever lies there
        raise InternalError(f"MKL: {b.dtype}{list(b.shape)} beside {a.dtype}{list(a.shape)}")
    b = np.ascontiguousarray(b)
    if out is not None and out.flags.c_contiguous:
        c = out
    else:
        c = np.empty((a.shape[0], *b.shape[1:]), a.dtype)
    if a.nnz and c.size:
        _compute(a, b, c)
    else:
        c[...] = 0
    if out is None or c is out:
        return c
    out[...] = c
    return out


def _compute(a: Held, b: Array, c: Array) -> None:
    """Write ``A @ b`` to c; a single column is a vector, for which MKL is twice as fast."""
    mkl, letter, kind = _mkl(), _LETTER[a.dtype.name], _NUMBERS[a.dtype.name]
    n = 1 if b.ndim == 1 else b.shape[1]
    if n == 1 and a.handle.format != "coo":
        name = "mv"
        rest: tuple[Any, ...] = (_pointer(b), kind(0), _pointer(c))
    else:
        name = "mm"
        rest = (_ROW_MAJOR, _pointer(b), n, n, kind(0), _pointer(c), n)
    call = getattr(mkl, f"mkl_sparse_{letter}_{name}")
    described = _Description(_GENERAL, 0, 0)
    before = mkl.MKL_Set_Num_Threads_Local(threads_asked("MKL_NUM_THREADS"))
    try:
        _checked(call(_AS_IT_IS, kind(1), a.handle.value, described, *rest), name)
    finally:
        mkl.MKL_Set_Num_Threads_Local(before)


def _refuses(types: Types) -> str:
    a = types[0]
    wrong = only_dtypes("MKL", DTYPES, types)
    wrong = wrong or square_blocks("MKL", types) or whole_blocks("MKL", types)
    if wrong:
        return wrong
    if max(a.nnz, *(d for t in types for d in t.dims)) > INT32_MAX:
        return "MKL is called with 32-bit integers, which cannot count what A or B holds"
    return ""


_OFFER = Offer(Level(_multiply, _prepare, takes_out=True), _refuses)

MKL = Provider(
    "mkl",
    "MKL",
    "mkl",
    "mkl",
    lambda: _where() is not None,
    {
        **{("spmm", format): _OFFER for format in ("coo", "csr", "bsr")},
        **{("spmv", format): _OFFER for format in ("csr", "bsr")},
    },
    {
        ("spmm", "csc"): "MKL's mm counts only the last of the entries of a cell stored twice",
        ("spgemm", "csr"): "of a cell that B stores twice MKL's product has two, or more",
        ("spmv", "coo"): _ITS_THREADS,
        ("spmv", "csc"): _ITS_THREADS,
    },
)
