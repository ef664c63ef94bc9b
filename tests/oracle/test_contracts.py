"""Contracts of structured results: plain implementations pass, and each kind of bug is found."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array, accumulator
from minisparse.oracle import check
from minisparse.oracle.contracts import CONTRACTS

Arrays = tuple[Array, Array, Array]


def spgemm(ap: Array, ai: Array, ax: Array, a_shape: Any, bp: Array, bi: Array, bx: Array,
           b_shape: Any) -> Arrays:  # fmt: skip
    """Gustavson, row by row, with a dictionary; as wide as need be."""
    dtype = np.result_type(ax, bx)
    wide = accumulator(dtype) if dtype.kind not in "biu" else np.dtype(np.int64)
    indptr, indices, data = [0], [], []
    for m in range(a_shape[0]):
        row: dict[int, Any] = {}
        for p in range(int(ap[m]), int(ap[m + 1])):
            k = int(ai[p])
            for q in range(int(bp[k]), int(bp[k + 1])):
                n = int(bi[q])
                row[n] = row.get(n, wide.type(0)) + wide.type(ax[p]) * wide.type(bx[q])
        indices += list(row)
        data += list(row.values())
        indptr.append(len(indices))
    return np.array(indptr), np.array(indices, int), np.array(data, wide).astype(dtype)


def sddmm(indptr: Array, indices: Array, data: Array, shape: Any, x: Array, y: Array) -> Array:
    dtype = np.result_type(data, x, y)
    wide = accumulator(dtype)
    found = np.zeros(len(data), wide)
    for m in range(shape[0]):
        for p in range(int(indptr[m]), int(indptr[m + 1])):
            dot = wide.type(0)
            for d in range(x.shape[1]):
                dot += wide.type(x[m, d]) * wide.type(y[d, int(indices[p])])
            found[p] = wide.type(data[p]) * dot
    return found.astype(dtype)


def softmax(indptr: Array, indices: Array, data: Array, shape: Any) -> Array:
    wide = accumulator(data.dtype)
    found = np.zeros(len(data), wide)
    for m in range(shape[0]):
        x = data[int(indptr[m]) : int(indptr[m + 1])].astype(wide)
        if len(x):
            e = np.exp(x - x.max())
            found[int(indptr[m]) : int(indptr[m + 1])] = e / e.sum()
    return found.astype(data.dtype)


def coo_to_csr(row: Array, col: Array, data: Array, shape: Any) -> Arrays:
    cells: dict[tuple[int, int], Any] = {}
    for m, k, x in zip(row.tolist(), col.tolist(), data, strict=True):
        cells[m, k] = cells[m, k] + x if (m, k) in cells else x
    order = sorted(cells)
    counts = np.bincount([m for m, _ in order], minlength=shape[0])
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return (
        indptr,
        np.array([k for _, k in order], int),
        np.array([cells[c] for c in order], data.dtype),
    )


def csr_to_coo(indptr: Array, indices: Array, data: Array, shape: Any) -> Arrays:
    return np.repeat(np.arange(shape[0]), np.diff(indptr.astype(int))), indices.copy(), data.copy()


def csr_to_csc(indptr: Array, indices: Array, data: Array, shape: Any) -> Arrays:
    order = np.argsort(indices, kind="stable")
    row = csr_to_coo(indptr, indices, data, shape)[0][order]
    return np.append(0, np.cumsum(np.bincount(indices, minlength=shape[1]))), row, data[order]


def csr_to_bsr(indptr: Array, indices: Array, data: Array, shape: Any, block: Any) -> Arrays:
    r, c = block
    row, col, _ = csr_to_coo(indptr, indices, data, shape)
    blocks: dict[tuple[int, int], Array] = {}
    for m, k, x in zip(row.tolist(), col.tolist(), data, strict=True):
        here = blocks.setdefault((m // r, k // c), np.zeros((r, c), data.dtype))
        here[m % r, k % c] += x
    order = sorted(blocks)
    pointers = np.searchsorted([i for i, _ in order], np.arange(shape[0] // r + 1))
    made = np.array([blocks[b] for b in order], data.dtype).reshape(-1, r, c)
    return pointers, np.array([j for _, j in order], int), made


def dense_to_csr(dense: Array) -> Arrays:
    row, col = np.nonzero(dense)
    indptr = np.append(0, np.cumsum(np.bincount(row, minlength=dense.shape[0])))
    return indptr, col, dense[row, col]


RIGHT: dict[str, Callable[..., Any]] = {
    "spgemm_csr": spgemm, "sddmm_csr": sddmm, "softmax_csr": softmax, "coo_to_csr": coo_to_csr,
    "csr_to_csc": csr_to_csc, "csr_to_coo": csr_to_coo, "csr_to_bsr": csr_to_bsr,
    "dense_to_csr": dense_to_csr,
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_plain_implementation_passes(name: str) -> None:
    report = check(RIGHT[name], name, examples=250)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", RIGHT)
def test_values_one_place_further_are_found(name: str) -> None:
    def shifted(*arguments: Any) -> Any:
        got = RIGHT[name](*arguments)
        return (*got[:2], np.roll(got[2], 1)) if isinstance(got, tuple) else np.roll(got, 1)

    report = check(shifted, name, examples=60)
    assert not report.passed
    assert str(report)
    assert report._repr_html_()


def test_every_contract_of_the_table_is_here() -> None:
    assert set(CONTRACTS) >= set(RIGHT)
    assert all(contract.call.startswith("(") for contract in CONTRACTS.values())
