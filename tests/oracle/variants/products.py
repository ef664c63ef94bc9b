"""Legitimate variants of the products: other orders, wider sums, other layouts of the result."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import accumulator
from tests.oracle.variants import plain
from tests.oracle.variants.plain import Fn, lines_of, multiply


def widest(dtype: Any) -> Any:
    """Return the widest type to sum in: exact for integers, twice the width for the others."""
    if dtype.kind in "biu":
        return accumulator(dtype)
    return np.dtype(np.complex128 if dtype.kind == "c" else np.float64)


def spmv_backwards(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    back = np.arange(len(x))[::-1]
    return multiply(lines_of(p)[back], i[back], x[back], shape[0], v[:, None])[:, 0].copy()


def spmv_pairwise(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    dtype = np.result_type(x, v)
    wide = accumulator(dtype)
    terms = x.astype(wide) * v.astype(wide)[i]
    rows = [terms[int(p[m]) : int(p[m + 1])].sum(dtype=wide) for m in range(shape[0])]
    return np.array(rows, wide).astype(dtype)


def coo_shuffled(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    order = np.random.default_rng(0).permutation(len(x))
    return np.asfortranarray(multiply(row[order], col[order], x[order], shape[0], b))


def coo_wide(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(x, b)
    wide = widest(dtype)
    return multiply(row, col, x.astype(wide), shape[0], b.astype(wide)).astype(dtype)


def coo_by_rows(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    order = np.lexsort((col, row))
    return multiply(row[order], col[order], x[order], shape[0], b)


def csc_column_by_column(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(x, b)
    wide = accumulator(dtype)
    c = np.zeros((shape[0], b.shape[1]), wide, order="F")
    for k in reversed(range(shape[1])):
        for q in range(int(p[k]), int(p[k + 1])):
            c[i[q]] += x[q].astype(wide) * b[k].astype(wide)
    return c.astype(dtype)


def bsr_by_matmul(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(x, b)
    wide = accumulator(dtype)
    _, r, c = x.shape
    out = np.zeros((shape[0], b.shape[1]), wide)
    for m, k, block in zip(lines_of(p).tolist(), i.tolist(), x.astype(wide), strict=True):
        out[m * r : (m + 1) * r] += block @ b.astype(wide)[k * c : (k + 1) * c]
    return out.astype(dtype)


def nm_by_gathers(x: Any, at: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(x, b)
    wide = accumulator(dtype)
    col = np.arange(x.shape[1]) // 2 * 4 + at.astype(np.int64)
    rows = [x[m].astype(wide) @ b.astype(wide)[col[m]] for m in range(shape[0])]
    return np.array(rows, wide).reshape(shape[0], b.shape[1]).astype(dtype)


def fused_wide(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    """Rounds once, at the end."""
    dtype = np.result_type(x, b, bias)
    if dtype.kind in "biu":
        return plain.spmm_bias_relu_csr(p, i, x, shape, b, bias)
    narrow = np.result_type(x, b)
    c = plain.spmm_csr(p, i, x.astype("f8"), shape, b.astype("f8"))
    c = c.astype(narrow).astype("f8") + bias.astype("f8")[:, None]
    return np.maximum(c, 0).astype(dtype)


def fused_by_where(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    c = plain.spmm_csr(p, i, x, shape, b) + bias[:, None]
    return np.where(c < 0, c.dtype.type(0), c)


VARIANTS: dict[str, tuple[Fn, ...]] = {
    "spmv_csr": (plain.spmv_csr, spmv_backwards, spmv_pairwise),
    "spmm_coo": (plain.spmm_coo, coo_shuffled, coo_wide, coo_by_rows),
    "spmm_csc": (plain.spmm_csc, csc_column_by_column),
    "spmm_bsr": (plain.spmm_bsr, bsr_by_matmul),
    "spmm_nm": (plain.spmm_nm, nm_by_gathers),
    "spmm_bias_relu_csr": (plain.spmm_bias_relu_csr, fused_wide, fused_by_where),
}
"""By contract."""
