"""JAX on the CPU: ``jax.experimental.sparse``, BCSR and BCOO, with 64-bit types enabled."""

from typing import Any

import numpy as np

from minisparse.core.extras import require
from minisparse.oracle.peers.peer import Peer, index_arrays
from minisparse.oracle.profile import Profile


def _jax() -> Any:
    jax = require("jax", "peers", "judging JAX")
    jax.config.update("jax_enable_x64", True)
    return jax


def _sparse() -> Any:
    return require("jax.experimental.sparse", "peers", "judging JAX")


def _array(x: Any) -> Any:
    return np.array(x)


def _bcsr(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    put = _jax().numpy.array
    p, i = index_arrays(indptr, indices)
    return _sparse().BCSR((put(data), put(i), put(p)), shape=tuple(shape))


def _bcoo(row: Any, col: Any, data: Any, shape: Any) -> Any:
    put = _jax().numpy.array
    where = np.stack(index_arrays(row, col), axis=1)
    return _sparse().BCOO((put(data), put(where)), shape=tuple(shape))


def spmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``BCSR @ b``; a vector too."""
    return _array(_bcsr(indptr, indices, data, shape) @ _jax().numpy.array(b))


def spmm_coo(row: Any, col: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``BCOO @ b``."""
    return _array(_bcoo(row, col, data, shape) @ _jax().numpy.array(b))


def dense_to_csr(dense: Any) -> Any:
    """Convert by ``BCSR.fromdense``."""
    a = _sparse().BCSR.fromdense(_jax().numpy.array(dense))
    return _array(a.indptr), _array(a.indices), _array(a.data)


def csr_to_coo(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``to_bcoo``."""
    a = _bcsr(indptr, indices, data, shape).to_bcoo()
    row, col = _array(a.indices).T
    return row, col, _array(a.data)


def _compressed_parts(a: Any) -> Any:
    """Return CSR's arrays of a BCOO matrix, by ``sum_duplicates`` and ``BCSR.from_bcoo``."""
    a = _sparse().BCSR.from_bcoo(a.sum_duplicates())
    return _array(a.indptr), _array(a.indices), _array(a.data)


def coo_to_csr(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Convert by ``sum_duplicates`` and ``BCSR.from_bcoo``."""
    return _compressed_parts(_bcoo(row, col, data, shape))


def spgemm_csr(ap: Any, ai: Any, ax: Any, a_shape: Any, bp: Any, bi: Any, bx: Any, b_shape: Any) -> Any:  # fmt: skip  # noqa: E501
    """Multiply two BCOO matrices by ``@``."""
    a, b = _bcsr(ap, ai, ax, a_shape).to_bcoo(), _bcsr(bp, bi, bx, b_shape).to_bcoo()
    return _compressed_parts(a @ b)


def sddmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, x: Any, y: Any) -> Any:
    """Sample the product by ``bcoo_dot_general_sampled``, and multiply by the stored values."""
    put, where = _jax().numpy.array, _bcsr(indptr, indices, data, shape).to_bcoo().indices
    dots = _sparse().bcoo_dot_general_sampled(
        put(x), put(y), where, dimension_numbers=(((1,), (0,)), ((), ()))
    )
    return _array(put(data) * dots)


JAX = Peer(
    "jax",
    "jax",
    ("jax", "jaxlib"),
    'pip install "jax[cpu]"',
    Profile("jax", flush_to_zero=True, source="XLA on CPUs: subnormal numbers are taken as 0"),
    {
        "spmv_csr": spmm_csr,
        "spmm_csr": spmm_csr,
        "spmm_coo": spmm_coo,
        "spgemm_csr": spgemm_csr,
        "sddmm_csr": sddmm_csr,
        "coo_to_csr": coo_to_csr,
        "dense_to_csr": dense_to_csr,
        "csr_to_coo": csr_to_coo,
    },
)
