"""CSC: ``(indptr, indices, data, shape)``, compressed along columns; otherwise like CSR."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.ops import SPMM
from minisparse.oracle.contracts.contract import Arguments, Encoding
from minisparse.oracle.contracts.product import product
from minisparse.oracle.problem import Problem


def _encode(problem: Problem) -> Arguments:
    a = problem.a
    order = np.argsort(a.col, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(a.col, minlength=a.shape[1]))])
    return {
        "indptr": indptr.astype(problem.index_dtypes[0]),
        "indices": a.row[order].astype(problem.index_dtypes[1]),
        "data": a.data[order],
        "shape": a.shape,
    }


def _decode(arguments: Mapping[str, Any]) -> Triplets:
    indptr = arguments["indptr"].astype(np.int64)
    col = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    row = arguments["indices"].astype(np.int64)
    return Triplets(row, col, arguments["data"], arguments["shape"])


SPMM_CSC = product(
    "spmm_csc", SPMM, Encoding(_encode, _decode), "(indptr, indices, data, shape, b) -> c"
)
