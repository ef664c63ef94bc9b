"""PyTorch on the CPU: tensors of the layouts COO, CSR, CSC and BSR."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import bfloat16
from minisparse.core.extras import require
from minisparse.oracle.outcomes import Unsupported
from minisparse.oracle.peers.peer import Peer, alike, index_arrays

_MISSING = (
    "not implemented",
    "not supported",
    "Only float, double",
    "unsupported",
    "doesn't support",
)


def _torch() -> Any:
    return require("torch", "torch", "judging PyTorch")


def _tensor(x: Any) -> Any:
    """Return a tensor with memory of its own."""
    torch = _torch()
    if x.dtype.name == "bfloat16":
        return torch.tensor(np.ascontiguousarray(x).view(np.int16)).view(torch.bfloat16)
    return torch.tensor(np.ascontiguousarray(x))


def _array(x: Any) -> Any:
    """Return a dense tensor as an array."""
    if x.dtype == _torch().bfloat16:
        return x.contiguous().view(_torch().int16).numpy().view(bfloat16())
    return x.resolve_conj().numpy()


def _compressed(kind: str, indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    make = getattr(_torch(), f"sparse_{kind}_tensor")
    p, i = map(_tensor, index_arrays(indptr, indices))
    return make(p, i, _tensor(data), tuple(shape))


def _coo(row: Any, col: Any, data: Any, shape: Any) -> Any:
    where = _tensor(np.stack(index_arrays(row, col)).astype(np.int64))
    return _torch().sparse_coo_tensor(where, _tensor(data), tuple(shape))


def _asked(call: Any) -> Any:
    """Return what a call returns; that an op is not there is no mistake."""
    try:
        return call()
    except (RuntimeError, NotImplementedError) as error:
        text = str(error).splitlines()[0]
        if any(word in text for word in _MISSING):
            raise Unsupported(text[:90]) from error
        raise


def _product(kind: str) -> Any:
    def multiply(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        alike(data, b)
        return _asked(lambda: _array(_compressed(kind, indptr, indices, data, shape) @ _tensor(b)))

    return multiply


def spmm_coo(row: Any, col: Any, data: Any, shape: Any, b: Any) -> Any:
    """Multiply by ``sparse_coo_tensor @ b``."""
    alike(data, b)
    return _asked(lambda: _array(_coo(row, col, data, shape) @ _tensor(b)))


def _csr_parts(a: Any) -> Any:
    return _array(a.crow_indices()), _array(a.col_indices()), _array(a.values())


def spgemm_csr(ap: Any, ai: Any, ax: Any, a_shape: Any, bp: Any, bi: Any, bx: Any, b_shape: Any) -> Any:  # fmt: skip  # noqa: E501
    """Multiply two CSR tensors."""
    alike(ax, bx)
    ap, ai, bp, bi = index_arrays(ap, ai, bp, bi)
    return _asked(
        lambda: _csr_parts(
            _compressed("csr", ap, ai, ax, a_shape) @ _compressed("csr", bp, bi, bx, b_shape)
        )
    )


def sddmm_csr(indptr: Any, indices: Any, data: Any, shape: Any, x: Any, y: Any) -> Any:
    """Sample with ``sparse.sampled_addmm`` and ``beta = 0``; then multiply by the stored values."""
    alike(data, x, y)
    mask = _compressed("csr", indptr, indices, data, shape)
    sample = _torch().sparse.sampled_addmm
    return _asked(
        lambda: _array(sample(mask, _tensor(x), _tensor(y), beta=0).values() * _tensor(data))
    )


def softmax_csr(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Take ``sparse.softmax`` of a coalesced COO tensor: entries go there and back sorted."""
    row = np.repeat(np.arange(shape[0]), np.diff(indptr.astype(np.int64)))
    order = np.lexsort((indices, row))
    a = _coo(row[order], indices[order].astype(np.int64), data[order], shape).coalesce()
    found = _asked(lambda: _array(_torch().sparse.softmax(a, 1).coalesce().values()))
    y = np.empty_like(found)
    y[order] = found
    return y


def coo_to_csr(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Convert by ``coalesce`` and ``to_sparse_csr``."""
    return _asked(lambda: _csr_parts(_coo(row, col, data, shape).coalesce().to_sparse_csr()))


def csr_to_csc(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``to_sparse_csc``."""
    a = _asked(lambda: _compressed("csr", indptr, indices, data, shape).to_sparse_csc())
    return _array(a.ccol_indices()), _array(a.row_indices()), _array(a.values())


def csr_to_coo(indptr: Any, indices: Any, data: Any, shape: Any) -> Any:
    """Convert by ``to_sparse_coo``."""
    a = _asked(lambda: _compressed("csr", indptr, indices, data, shape).to_sparse_coo())
    row, col = _array(a._indices())
    return row, col, _array(a._values())


def csr_to_bsr(indptr: Any, indices: Any, data: Any, shape: Any, block: Any) -> Any:
    """Convert by ``to_sparse_bsr``."""
    a = _compressed("csr", indptr, indices, data, shape)
    return _asked(lambda: _csr_parts(a.to_sparse_bsr(tuple(block))))


def dense_to_csr(dense: Any) -> Any:
    """Convert by ``to_sparse_csr``."""
    return _asked(lambda: _csr_parts(_tensor(dense).to_sparse_csr()))


TORCH = Peer(
    "torch",
    "torch",
    ("torch",),
    'pip install "minisparse[torch]"',
    "torch",
    {
        "spmv_csr": _product("csr"),
        "spmm_csr": _product("csr"),
        "spmm_csc": _product("csc"),
        "spmm_coo": spmm_coo,
        "spmm_bsr": _product("bsr"),
        "spgemm_csr": spgemm_csr,
        "sddmm_csr": sddmm_csr,
        "softmax_csr": softmax_csr,
        "coo_to_csr": coo_to_csr,
        "csr_to_csc": csr_to_csc,
        "csr_to_coo": csr_to_coo,
        "csr_to_bsr": csr_to_bsr,
        "dense_to_csr": dense_to_csr,
    },
)
