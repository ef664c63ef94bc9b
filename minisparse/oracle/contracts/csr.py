"""CSR: ``(indptr, indices, data, shape)``, entries of a row in any order, cells more than once."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.ops import SPMM, SPMM_BIAS_RELU, SPMV
from minisparse.oracle.contracts.contract import Arguments, Encoding
from minisparse.oracle.contracts.product import product
from minisparse.oracle.problem import Problem


def _encode(problem: Problem) -> Arguments:
    a = problem.a
    order = np.argsort(a.row, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(a.row, minlength=a.shape[0]))])
    return {
        "indptr": indptr.astype(problem.index_dtypes[0]),
        "indices": a.col[order].astype(problem.index_dtypes[1]),
        "data": a.data[order],
        "shape": a.shape,
    }


def _decode(arguments: Mapping[str, Any]) -> Triplets:
    indptr = arguments["indptr"].astype(np.int64)
    row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    col = arguments["indices"].astype(np.int64)
    return Triplets(row, col, arguments["data"], arguments["shape"])


ENCODING = Encoding(_encode, _decode)

SPMM_CSR = product("spmm_csr", SPMM, ENCODING, "(indptr, indices, data, shape, b) -> c")
SPMV_CSR = product("spmv_csr", SPMV, ENCODING, "(indptr, indices, data, shape, x) -> y")
SPMM_BIAS_RELU_CSR = product(
    "spmm_bias_relu_csr", SPMM_BIAS_RELU, ENCODING, "(indptr, indices, data, shape, b, bias) -> c"
)
