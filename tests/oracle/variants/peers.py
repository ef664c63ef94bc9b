"""Other libraries as variants: SciPy and PyTorch, where they are installed."""

from typing import Any

import numpy as np

from minisparse.core.extras import is_installed
from minisparse.oracle import Unsupported
from tests.oracle.variants.plain import Fn


def _scipy_matrix(p: Any, i: Any, x: Any, shape: Any) -> Any:
    import scipy.sparse as sparse

    if x.dtype.name in ("float16", "bfloat16"):
        raise Unsupported(f"SciPy has no sparse matrix of {x.dtype}")
    arrays = x, i.astype(np.int64), p.astype(np.int64)
    return sparse.csr_array(arrays, shape=shape, copy=True)


def _result(c: Any, *factors: Any) -> Any:
    return np.asarray(c).astype(np.result_type(*factors))


def scipy_spmm(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    if b.dtype.name in ("float16", "bfloat16"):
        raise Unsupported(f"SciPy does not multiply with {b.dtype}")
    return _result(_scipy_matrix(p, i, x, shape) @ np.ascontiguousarray(b), x, b)


def scipy_spgemm(ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any) -> Any:
    c = _scipy_matrix(ap, ai, ax, am) @ _scipy_matrix(bp, bi, bx, bm)
    return c.indptr, c.indices, c.data


def scipy_csr_to_csc(p: Any, i: Any, x: Any, shape: Any) -> Any:
    found = _scipy_matrix(p, i, x, shape).tocsc()
    return found.indptr, found.indices, found.data


def scipy_dense_to_csr(dense: Any) -> Any:
    import scipy.sparse as sparse

    if dense.dtype.name in ("float16", "bfloat16"):
        raise Unsupported(f"SciPy has no sparse matrix of {dense.dtype}")
    found = sparse.csr_array(dense)
    return found.indptr, found.indices, found.data


def torch_spmm(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    import torch

    if x.dtype != b.dtype or x.dtype not in (np.dtype("f4"), np.dtype("f8")) or 0 in b.shape:
        raise Unsupported("PyTorch: float32 and float64 are tried, and b with elements")
    if not len(x) or not (np.isfinite(b).all() and np.isfinite(x).all()):
        raise Unsupported("PyTorch: the default profile's NaN are another question")
    row = np.repeat(np.arange(shape[0]), np.diff(p.astype(np.int64)))
    index = torch.from_numpy(np.stack([row, i.astype(np.int64)]))
    a = torch.sparse_coo_tensor(index, torch.from_numpy(x.copy()), shape)
    return torch.sparse.mm(a, torch.from_numpy(np.array(b, order="C"))).numpy()


VARIANTS: dict[str, tuple[Fn, ...]] = {}
"""By contract; empty without the libraries."""
if is_installed("scipy"):
    VARIANTS["spmm_csr"] = (scipy_spmm,)
    VARIANTS["spgemm_csr"] = (scipy_spgemm,)
    VARIANTS["csr_to_csc"] = (scipy_csr_to_csc,)
    VARIANTS["dense_to_csr"] = (scipy_dense_to_csr,)
if is_installed("torch"):
    VARIANTS["spmm_csr"] = (*VARIANTS.get("spmm_csr", ()), torch_spmm)
