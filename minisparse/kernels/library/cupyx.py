"""cuSPARSE as CuPy wraps it: ``cupyx.cusparse``, for which nothing but CuPy has to be installed.

It takes float32, float64 and their complex twins, sorted matrices without duplicates, and a B that
lies column by column: a B that lies row by row is given as its transpose, and none is copied. It
makes its handles and takes its workspace anew in each call, from CuPy's memory pool; the level
``cusparse`` holds both.

Not yet run on a GPU.
"""

from typing import Any

from minisparse.core.dtypes import Array
from minisparse.core.errors import UnsupportedOpError
from minisparse.core.extras import require
from minisparse.formats import CSR, Matrix
from minisparse.kernels.kernel import Level
from minisparse.kernels.library.card import EXTRA, cupy_here, found, must_lie_on_card, offer
from minisparse.kernels.library.provider import Held, Provider, only_dtypes
from minisparse.ops.op import Types

DTYPES = "float32 float64 complex64 complex128"
_TITLE = "cuSPARSE by CuPy"
_FOUND = found("cupy")
_PURPOSE = "the level 'cupyx'"
_VARIES = "a transposed product adds atomically, so that its bits differ from run to run"


def _prepare(a: Matrix, columns: int = 256) -> Held:
    """Make CuPy's sparse matrix around the same memory.

    Raises
    ------
    UnsupportedOpError
        If A lies in the host's memory, is not sorted, or stores a cell twice.
    """
    must_lie_on_card(_TITLE, *a.arrays.values())
    a.check()
    if not a.has_canonical_format:
        raise UnsupportedOpError(
            f"{_TITLE} takes matrices that are sorted and store no cell twice: "
            f"A.to('{a.format}') sorts and sums, or take level='cusparse'"
        )
    if not a.nnz:
        return Held(None, a.shape, a.dtype, 0, 0)
    sparse = require("cupyx.scipy.sparse", EXTRA, _PURPOSE)
    arrays = (a.arrays["data"], a.arrays["indices"], a.arrays["indptr"])
    s = sparse.csr_matrix(arrays, shape=a.shape, copy=False)
    s.has_canonical_format = True  # else it looks again in each call, and waits for the answer
    return Held(s, a.shape, a.dtype, a.nnz, 0, tuple(arrays))


def _calls() -> Any:
    return require("cupyx.cusparse", EXTRA, _PURPOSE)


def _multiply(a: Held, b: Array, out: Array | None = None) -> Array:
    """Return ``A @ b`` for a matrix or a vector b; the matrix lies column by column."""
    must_lie_on_card(_TITLE, b)
    cupy = cupy_here(_PURPOSE)
    if not a.nnz or 0 in b.shape:
        c: Array = cupy.zeros((a.shape[0], *b.shape[1:]), a.dtype)
    elif b.ndim == 1:
        c = _calls().spmv(a.handle, cupy.ascontiguousarray(b))
    elif b.flags.f_contiguous:
        c = _calls().spmm(a.handle, b)
    else:
        c = _calls().spmm(a.handle, cupy.ascontiguousarray(b).T, transb=True)
    if out is None:
        return c
    out[...] = c
    return out


def _multiply_sparse(a: Held, b: Matrix) -> CSR:
    """Return ``A @ B`` for a sparse B, whose handle is made for this call."""
    right, shape = _prepare(b), (a.shape[0], b.shape[1])
    if not (a.nnz and right.nnz):
        cupy = cupy_here(_PURPOSE)
        nothing = cupy.empty(0, "int32")
        starts = cupy.zeros(shape[0] + 1, "int32")
        return CSR._trusted(shape, data=cupy.empty(0, a.dtype), indices=nothing, indptr=starts)
    c = _calls().spgemm(a.handle, right.handle)
    return CSR._trusted(shape, data=c.data, indices=c.indices, indptr=c.indptr)


def _refuses(types: Types) -> str:
    return only_dtypes(_TITLE, DTYPES, types)


_PRODUCT = Level(_multiply, _prepare, takes_out=True)
_LEVELS = {"spmm": _PRODUCT, "spmv": _PRODUCT, "spgemm": Level(_multiply_sparse, _prepare)}

CUPYX = Provider(
    "cupyx",
    _TITLE,
    "cupy-cuda13x cupy-cuda12x cupy",
    EXTRA,
    _FOUND,
    {
        (op, "csr"): offer(_TITLE, _FOUND, (op, "csr"), level, _refuses)
        for op, level in _LEVELS.items()
    },
    {(op, "csc"): _VARIES for op in ("spmm", "spmv")},
    place="gpu",
)
