"""SuiteSparse:GraphBLAS through ``python-graphblas``: the semiring plus-times."""

from typing import Any

import numpy as np

from minisparse.core.extras import require
from minisparse.oracle.outcomes import Unsupported
from minisparse.oracle.peers.peer import Peer, alike, index_arrays, only

_DTYPES = "int8 uint8 int16 int32 int64 float32 float64 complex64 complex128"


def _graphblas() -> Any:
    return require("graphblas", "peers", "judging GraphBLAS")


def _compressed(kind: str, indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    only(_DTYPES, data)
    p, i = index_arrays(indptr, indices)
    make = getattr(_graphblas().Matrix, f"from_{kind}")
    minor = {"ncols": shape[1]} if kind == "csr" else {"nrows": shape[0]}
    return make(p, i, np.ascontiguousarray(data), **minor)


def _coo(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Return a matrix whose duplicates are summed by the operator plus."""
    only(_DTYPES, data)
    plus = _graphblas().binary.plus
    r, c = index_arrays(row, col)
    return _graphblas().Matrix.from_coo(
        r, c, np.ascontiguousarray(data), nrows=shape[0], ncols=shape[1], dup_op=plus
    )


def _times(a: Any, b: Any) -> Any:
    """Return ``A @ b`` as a dense array; where C has no entry it is 0."""
    dense = _graphblas().Matrix.from_dense(np.ascontiguousarray(b))
    c = _graphblas().semiring.plus_times(a @ dense).new()
    return c.to_dense(fill_value=b.dtype.type(0), dtype=b.dtype)


def _product(kind: str) -> Any:
    def multiply(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        alike(data, b)
        a = _compressed(kind, indptr, indices, data, shape)
        return _times(a, b[:, None])[:, 0].copy() if b.ndim == 1 else _times(a, b)

    return multiply


def spmm_coo(row: Any, col: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply a matrix that is built from coordinates."""
    alike(data, b)
    return _times(_coo(row, col, data, shape), b)


def spgemm_csr(ap: Any, ai: Any, ax: Any, a_shape: Any, bp: Any, bi: Any, bx: Any, b_shape: Any) -> Any:  # fmt: skip  # noqa: E501
    """Multiply two matrices."""
    alike(ax, bx)
    a, b = _compressed("csr", ap, ai, ax, a_shape), _compressed("csr", bp, bi, bx, b_shape)
    return _graphblas().semiring.plus_times(a @ b).new().to_csr()


def sddmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, x: Any, y: Any) -> Any:
    """Multiply under the structure of a mask, and by its values; their order is GraphBLAS's."""
    alike(data, x, y)
    a = _compressed("csr", indptr, indices, data, shape)
    from_dense, semiring = _graphblas().Matrix.from_dense, _graphblas().semiring
    factors = from_dense(np.ascontiguousarray(x)), from_dense(np.ascontiguousarray(y))
    dots = semiring.plus_times(factors[0] @ factors[1]).new(mask=a.S)
    p, i, values = a.ewise_mult(dots, _graphblas().binary.times).new().to_csr()
    if not (np.array_equal(p, indptr) and np.array_equal(i, indices)):
        raise Unsupported(
            "the order of unsorted entries is lost, and cells without a term are left out"
        )
    return values


def coo_to_csr(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Convert by ``from_coo`` with plus, and ``to_csr``."""
    return _coo(row, col, data, shape).to_csr()


def csr_to_csc(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``to_csc``."""
    return _compressed("csr", indptr, indices, data, shape).to_csc()


def csr_to_coo(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``to_coo``."""
    return _compressed("csr", indptr, indices, data, shape).to_coo()


def dense_to_csr(dense: Any) -> Any:
    """Convert by ``from_dense`` with 0 as the missing value."""
    only(_DTYPES, dense)
    zero = dense.dtype.type(0)
    return _graphblas().Matrix.from_dense(np.ascontiguousarray(dense), missing_value=zero).to_csr()


GRAPHBLAS = Peer(
    "graphblas",
    "graphblas",
    ("python-graphblas", "suitesparse-graphblas"),
    "pip install python-graphblas",
    "graphblas",
    {
        "spmv_csr": _product("csr"),
        "spmm_csr": _product("csr"),
        "spmm_csc": _product("csc"),
        "spmm_coo": spmm_coo,
        "spgemm_csr": spgemm_csr,
        "sddmm_csr": sddmm_csr,
        "coo_to_csr": coo_to_csr,
        "csr_to_csc": csr_to_csc,
        "csr_to_coo": csr_to_coo,
        "dense_to_csr": dense_to_csr,
    },
)
