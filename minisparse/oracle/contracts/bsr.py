"""BSR: ``(indptr, indices, data [nblocks, r, c], shape)``; r divides M and c divides K.

A block stands for its cells, stored zeros included. Entries of one cell become blocks at one place.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.triplets import Triplets
from minisparse.ops import SPMM
from minisparse.oracle.contracts.contract import Arguments, Encoding
from minisparse.oracle.contracts.product import product
from minisparse.oracle.problem import Problem
from minisparse.oracle.structures import cells_of_blocks


def _encode(problem: Problem) -> Arguments:
    a, (r, c) = problem.a, problem.block
    order = np.argsort(a.row // r, kind="stable")
    if problem.is_canonical:
        order = np.lexsort((a.col // c, a.row // r))
    blocks: dict[tuple[int, int, int], dict[tuple[int, int], Any]] = {}
    for p in order:
        i, j = int(a.row[p]), int(a.col[p])
        copy = 0
        while (i % r, j % c) in blocks.setdefault((i // r, j // c, copy), {}):
            copy += 1
        blocks[i // r, j // c, copy][i % r, j % c] = a.data[p]
    data = np.zeros((len(blocks), r, c), a.data.dtype)
    for number, cells in enumerate(blocks.values()):
        for cell, value in cells.items():
            data[number][cell] = value
    count = np.zeros(-(-a.shape[0] // r), int)
    for block_row, _, _ in blocks:
        count[block_row] += 1
    return {
        "indptr": np.concatenate([[0], np.cumsum(count)]).astype(problem.index_dtypes[0]),
        "indices": np.array([j for _, j, _ in blocks], problem.index_dtypes[1]),
        "data": data,
        "shape": (-(-a.shape[0] // r) * r, -(-a.shape[1] // c) * c),
    }


def _decode(arguments: Mapping[str, Any]) -> Triplets:
    indptr, data = arguments["indptr"].astype(np.int64), arguments["data"]
    _, r, c = data.shape
    block_row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    row, col = cells_of_blocks(block_row, arguments["indices"].astype(np.int64), (r, c))
    return Triplets(row, col, data.ravel(), arguments["shape"])


SPMM_BSR = product(
    "spmm_bsr",
    SPMM,
    Encoding(_encode, _decode),
    "(indptr, indices, data [nblocks, r, c], shape, b) -> c",
)
