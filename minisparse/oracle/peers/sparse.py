"""PyData's ``sparse``: COO, and GCXS, which is CSR or CSC for matrices."""

from typing import Any

import numpy as np

from minisparse.core.extras import require
from minisparse.oracle.peers.peer import Peer, index_arrays, only

_DTYPES = "bool int8 uint8 int16 int32 int64 float32 float64 complex64 complex128"


def _sparse() -> Any:
    return require("sparse", "peers", "judging PyData's sparse")


def _gcxs(axis: int, indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    only(_DTYPES, data)
    p, i = index_arrays(indptr, indices)
    data = np.ascontiguousarray(data)
    return _sparse().GCXS((data, i, p), shape=tuple(shape), compressed_axes=(axis,))


def _coo(row: Any, col: Any, data: Any, shape: Any) -> Any:
    only(_DTYPES, data)
    return _sparse().COO(np.stack(index_arrays(row, col)), data, shape=tuple(shape))


def _parts(a: Any) -> Any:
    return np.copy(a.indptr), np.copy(a.indices), np.copy(a.data)


def _product(axis: int) -> Any:
    def multiply(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        only(_DTYPES, b)
        return _gcxs(axis, indptr, indices, data, shape) @ b

    return multiply


def spmm_coo(row: Any, col: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``COO @ b``."""
    only(_DTYPES, b)
    return _coo(row, col, data, shape) @ b


def spgemm_csr(ap: Any, ai: Any, ax: Any, a_shape: Any, bp: Any, bi: Any, bx: Any, b_shape: Any) -> Any:  # fmt: skip  # noqa: E501
    """Multiply two GCXS whose rows are compressed."""
    return _parts(_gcxs(0, ap, ai, ax, a_shape) @ _gcxs(0, bp, bi, bx, b_shape))


def coo_to_csr(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Convert a COO, which sums duplicates when it is made, to GCXS."""
    return _parts(_coo(row, col, data, shape).asformat("gcxs", compressed_axes=(0,)))


def csr_to_csc(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``change_compressed_axes``."""
    return _parts(_gcxs(0, indptr, indices, data, shape).change_compressed_axes((1,)))


def csr_to_coo(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``tocoo``."""
    a = _gcxs(0, indptr, indices, data, shape).tocoo()
    return np.copy(a.coords[0]), np.copy(a.coords[1]), np.copy(a.data)


def dense_to_csr(dense: Any) -> Any:
    """Convert by ``GCXS.from_numpy``."""
    only(_DTYPES, dense)
    return _parts(_sparse().GCXS.from_numpy(dense, compressed_axes=(0,)))


SPARSE = Peer(
    "sparse",
    "sparse",
    ("sparse", "numba", "numpy"),
    'pip install "minisparse[peers]"',
    "scipy",
    {
        "spmv_csr": _product(0),
        "spmm_csr": _product(0),
        "spmm_csc": _product(1),
        "spmm_coo": spmm_coo,
        "spgemm_csr": spgemm_csr,
        "coo_to_csr": coo_to_csr,
        "csr_to_csc": csr_to_csc,
        "csr_to_coo": csr_to_coo,
        "dense_to_csr": dense_to_csr,
    },
)
