"""Kernels for ``spmm_csr`` that are right, each in its own way."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minisparse.core.dtypes import accumulator

Kernel = Callable[..., Any]


def rows_of(indptr: Any) -> Any:
    starts = indptr.astype(np.int64)
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def dtypes(data: Any, b: Any) -> tuple[Any, Any]:
    dtype = np.result_type(data, b)
    return dtype, accumulator(dtype)


def loops(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    c = np.zeros((shape[0], b.shape[1]), wide)
    for m in range(shape[0]):
        for p in range(int(indptr[m]), int(indptr[m + 1])):
            c[m] += data[p].astype(wide) * b[indices[p]].astype(wide)
    return c.astype(dtype)


def backwards(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    c = np.zeros((shape[0], b.shape[1]), wide)
    for m in range(shape[0]):
        for p in reversed(range(int(indptr[m]), int(indptr[m + 1]))):
            c[m] += data[p].astype(wide) * b[indices[p]].astype(wide)
    return np.asfortranarray(c.astype(dtype))


def scattered(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    c = np.zeros((shape[0], b.shape[1]), wide)
    np.add.at(c, rows_of(indptr), data.astype(wide)[:, None] * b.astype(wide)[indices])
    return c.astype(dtype)


def blas_on_stored_columns(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    c = np.zeros((shape[0], b.shape[1]), wide)
    for m in range(shape[0]):
        p = slice(int(indptr[m]), int(indptr[m + 1]))
        c[m] = data[p].astype(wide) @ b.astype(wide)[indices[p]]
    return c.astype(dtype)


def blocks_of_four(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    c = np.zeros((shape[0], b.shape[1]), wide)
    for m in range(shape[0]):
        for first in range(int(indptr[m]), int(indptr[m + 1]), 4):
            p = slice(first, min(first + 4, int(indptr[m + 1])))
            c[m] += (data[p].astype(wide)[:, None] * b.astype(wide)[indices[p]]).sum(0, dtype=wide)
    return c.astype(dtype)


def wider(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Sum in twice the width, as fused multiply-adds and tensor cores do in part."""
    dtype = np.result_type(data, b)
    wide = np.dtype(np.complex128 if dtype.kind == "c" else np.float64)
    wide = wide if dtype.kind not in "biu" else accumulator(dtype)
    c = np.zeros((shape[0], b.shape[1]), wide)
    np.add.at(c, rows_of(indptr), data.astype(wide)[:, None] * b.astype(wide)[indices])
    return c.astype(dtype)


def duplicates_first(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    dense, stored = np.zeros(shape, wide), np.zeros(shape, bool)
    np.add.at(dense, (rows_of(indptr), indices), data.astype(wide))
    stored[rows_of(indptr), indices] = True
    c = np.zeros((shape[0], b.shape[1]), wide)
    for m in range(shape[0]):
        c[m] = dense[m, stored[m]] @ b.astype(wide)[stored[m]]
    return c.astype(dtype)


def sums_of_fsum(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(data, b)
    if dtype.kind in "biuc" or not (np.isfinite(b).all() and np.isfinite(data).all()):
        return loops(indptr, indices, data, shape, b)
    c = np.zeros((shape[0], b.shape[1]), np.float64)
    for m in range(shape[0]):
        p = slice(int(indptr[m]), int(indptr[m + 1]))
        terms = data[p].astype(np.float64)[:, None] * b.astype(np.float64)[indices[p]]
        for n in range(b.shape[1]):
            c[m, n] = math.fsum(terms[:, n])
    return c.astype(dtype)


RIGHT: tuple[Kernel, ...] = (
    loops,
    backwards,
    scattered,
    blas_on_stored_columns,
    blocks_of_four,
    wider,
    duplicates_first,
    sums_of_fsum,
)
