"""SciPy: ``scipy.sparse``'s arrays, its products and conversions."""

from typing import Any

import numpy as np

from minisparse.core.extras import require
from minisparse.oracle.peers.peer import Peer, only

_DTYPES = "bool int8 uint8 int16 int32 int64 float32 float64 complex64 complex128"


def _sparse() -> Any:
    return require("scipy.sparse", "peers", "judging SciPy")


def _csr(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    only(_DTYPES, data)
    return _sparse().csr_array((data, indices, indptr), shape=shape)


def _parts(a: Any) -> Any:
    return a.indptr, a.indices, a.data


def spmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``csr_array @ b``; a vector too."""
    only(_DTYPES, b)
    return _csr(indptr, indices, data, shape) @ b


def spmm_csc(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``csc_array @ b``."""
    only(_DTYPES, data, b)
    return _sparse().csc_array((data, indices, indptr), shape=shape) @ b


def spmm_coo(row: Any, col: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``coo_array @ b``."""
    only(_DTYPES, data, b)
    return _sparse().coo_array((data, (row, col)), shape=shape) @ b


def spmm_bsr(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``bsr_array @ b``."""
    only(_DTYPES, data, b)
    return _sparse().bsr_array((data, indices, indptr), shape=shape) @ b


def spgemm_csr(ap: Any, ai: Any, ax: Any, a_shape: Any, bp: Any, bi: Any, bx: Any, b_shape: Any) -> Any:  # fmt: skip  # noqa: E501
    """Multiply two csr_arrays."""
    return _parts(_csr(ap, ai, ax, a_shape) @ _csr(bp, bi, bx, b_shape))


def coo_to_csr(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Convert by ``coo_array.tocsr``, which sums, and ``sort_indices``."""
    only(_DTYPES, data)
    a = _sparse().coo_array((data, (row, col)), shape=shape).tocsr()
    a.sort_indices()
    return _parts(a)


def csr_to_csc(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``csr_array.tocsc``."""
    return _parts(_csr(indptr, indices, data, shape).tocsc())


def csr_to_coo(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``csr_array.tocoo``."""
    a = _csr(indptr, indices, data, shape).tocoo(copy=True)
    return a.row, a.col, a.data


def csr_to_bsr(indptr: Any, indices: Any, data: Any, shape: Any, block: Any) -> Any:
    """Convert by ``csr_array.tobsr``; blocks of 1 by 1 share memory with what they are made of."""
    return tuple(map(np.copy, _parts(_csr(indptr, indices, data, shape).tobsr(blocksize=block))))


def dense_to_csr(dense: Any) -> Any:
    """Convert by ``csr_array(dense)``."""
    only(_DTYPES, dense)
    return _parts(_sparse().csr_array(dense))


SCIPY = Peer(
    "scipy",
    "scipy",
    ("scipy", "numpy"),
    'pip install "minisparse[peers]"',
    "scipy",
    {
        "spmv_csr": spmm_csr,
        "spmm_csr": spmm_csr,
        "spmm_csc": spmm_csc,
        "spmm_coo": spmm_coo,
        "spmm_bsr": spmm_bsr,
        "spgemm_csr": spgemm_csr,
        "coo_to_csr": coo_to_csr,
        "csr_to_csc": csr_to_csc,
        "csr_to_coo": csr_to_coo,
        "csr_to_bsr": csr_to_bsr,
        "dense_to_csr": dense_to_csr,
    },
)
