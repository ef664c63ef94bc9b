"""2:4: ``(values [M, K / 2], positions uint8 [M, K / 2], shape)``; 4 divides K.

Of each four neighbors in a row two are stored, at increasing positions 0 to 3; where a group has
fewer nonzeros, zeros are stored. Of a group with more entries the first two cells are kept.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.ops import SPMM
from minisparse.oracle.contracts.contract import Arguments, Encoding
from minisparse.oracle.contracts.product import product
from minisparse.oracle.problem import Problem

_N, _M = 2, 4


def _encode(problem: Problem) -> Arguments:
    a = problem.a
    groups: dict[tuple[int, int], dict[int, Any]] = {}
    for i, j, value in zip(a.row, a.col, a.data, strict=True):
        cells = groups.setdefault((int(i), int(j) // _M), {})
        if len(cells) < _N:
            cells.setdefault(int(j) % _M, value)
    count = -(-a.shape[1] // _M)
    values = np.zeros((a.shape[0], count, _N), a.data.dtype)
    positions = np.broadcast_to(np.arange(_N, dtype=np.uint8), values.shape).copy()
    for (i, g), cells in groups.items():
        free = [position for position in range(_M) if position not in cells]
        places = sorted([*cells, *free[: _N - len(cells)]])
        positions[i, g] = places
        values[i, g] = [cells.get(position, 0) for position in places]
    return {
        "values": values.reshape(a.shape[0], count * _N),
        "positions": positions.reshape(a.shape[0], count * _N),
        "shape": (a.shape[0], count * _M),
    }


def _decode(arguments: Mapping[str, Any]) -> Triplets:
    values, positions = arguments["values"], arguments["positions"].astype(np.int64)
    row, slot = np.indices(values.shape)
    col = slot // _N * _M + positions
    return Triplets(row.ravel(), col.ravel(), values.ravel(), arguments["shape"])


SPMM_NM = product(
    "spmm_nm",
    SPMM,
    Encoding(_encode, _decode, values="values"),
    "(values, positions, shape, b) -> c",
)
