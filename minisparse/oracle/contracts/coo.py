"""COO: ``(row, col, data, shape)``, entries in any order, cells more than once."""

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
    return {
        "row": a.row.astype(problem.index_dtypes[0]),
        "col": a.col.astype(problem.index_dtypes[1]),
        "data": a.data.copy(),
        "shape": a.shape,
    }


def _decode(arguments: Mapping[str, Any]) -> Triplets:
    row, col = arguments["row"].astype(np.int64), arguments["col"].astype(np.int64)
    return Triplets(row, col, arguments["data"], arguments["shape"])


ENCODING = Encoding(_encode, _decode)

SPMM_COO = product("spmm_coo", SPMM, ENCODING, "(row, col, data, shape, b) -> c")
