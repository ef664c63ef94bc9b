"""Intel's MKL through ``sparse_dot_mkl``: products of SciPy's matrices."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.extras import require
from minisparse.oracle.outcomes import Unsupported
from minisparse.oracle.peers.peer import Peer, alike, index_arrays, only
from minisparse.oracle.profile import Profile

_DTYPES = "float32 float64 complex64 complex128"


def _multiply(a: Any, b: Any) -> Any:
    # pip puts MKL where the loader does not look, and sparse_dot_mkl reads where it is from here.
    found = sorted(Path(sys.prefix, "lib").glob("libmkl_rt.so*"))
    if found:
        os.environ.setdefault("MKL_RT", str(found[0]))
    try:
        return require("sparse_dot_mkl", "peers", "judging MKL").dot_product_mkl(a, b)
    except ValueError as error:
        if "requires square blocks" in str(error):
            raise Unsupported("blocks that are not square") from error
        raise


def _product(kind: str) -> Any:
    def multiply(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        only(_DTYPES, data, b)
        alike(data, b)
        p, i = index_arrays(indptr, indices)
        if max(len(i), *shape) > np.iinfo(np.int32).max:
            raise Unsupported("indices beyond int32")
        make = getattr(require("scipy.sparse", "peers", "judging MKL"), f"{kind}_matrix")
        a = make((np.ascontiguousarray(data), i.astype(np.int32), p.astype(np.int32)), shape=shape)
        return _multiply(a, np.ascontiguousarray(b))

    return multiply


def spgemm_csr(ap: Any, ai: Any, ax: Any, a_shape: Any, bp: Any, bi: Any, bx: Any, b_shape: Any) -> Any:  # fmt: skip  # noqa: E501
    """Multiply two csr_matrix."""
    only(_DTYPES, ax, bx)
    alike(ax, bx)
    make = require("scipy.sparse", "peers", "judging MKL").csr_matrix
    a = make((np.ascontiguousarray(ax), ai.astype("int32"), ap.astype("int32")), shape=a_shape)
    b = make((np.ascontiguousarray(bx), bi.astype("int32"), bp.astype("int32")), shape=b_shape)
    c = _multiply(a, b)
    return c.indptr, c.indices, c.data


MKL = Peer(
    "mkl",
    "sparse_dot_mkl",
    ("sparse_dot_mkl", "mkl", "scipy"),
    "pip install sparse_dot_mkl mkl",
    Profile(
        "mkl",
        duplicates="reject",
        source="oneMKL 2026, sparse BLAS (indices may be unsorted; that entries may be repeated is "
        "nowhere said)",
    ),
    {
        "spmv_csr": _product("csr"),
        "spmm_csr": _product("csr"),
        "spmm_csc": _product("csc"),
        "spmm_bsr": _product("bsr"),
        "spgemm_csr": spgemm_csr,
    },
)
