"""Legitimate variants of SpGEMM, SDDMM, softmax and the conversions."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import accumulator
from tests.oracle.variants import plain
from tests.oracle.variants.plain import Fn, lines_of, pointers
from tests.oracle.variants.products import widest


def spgemm_sorted(*args: Any) -> Any:
    indptr, indices, data = plain.spgemm_csr(*args)
    order = np.lexsort((indices, lines_of(indptr)))
    return indptr.astype(np.int32), indices[order].astype(np.int32), data[order]


def spgemm_drops_cancelled(*args: Any) -> Any:
    indptr, indices, data = plain.spgemm_csr(*args)
    keep = data != 0
    return pointers(lines_of(indptr)[keep], len(indptr) - 1), indices[keep], data[keep]


def spgemm_rows_reversed(*args: Any) -> Any:
    indptr, indices, data = plain.spgemm_csr(*args)
    order = np.lexsort((-indices, lines_of(indptr)))
    return indptr, indices[order], data[order]


def spgemm_expanded(ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any) -> Any:
    """Expand every term, sort, and add up runs."""
    dtype = np.result_type(ax, bx)
    wide = accumulator(dtype)
    count = np.diff(bp.astype(np.int64))[ai]
    left = np.repeat(np.arange(len(ax)), count)
    first = np.cumsum(count) - count
    right = bp.astype(np.int64)[:-1][ai][left] + np.arange(len(left)) - first[left]
    row, col = lines_of(ap)[left], bi[right].astype(np.int64)
    cells, number = np.unique(row * max(1, bm[1]) + col, return_inverse=True)
    data = np.zeros(len(cells), wide)
    np.add.at(data, number.reshape(-1), ax.astype(wide)[left] * bx.astype(wide)[right])
    row, col = np.divmod(cells, max(1, bm[1]))
    return pointers(row, am[0]), col, data.astype(dtype)


def sddmm_scales_first(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    dtype = np.result_type(v, x, y)
    wide = widest(dtype)
    scaled = v.astype(wide)[:, None] * x.astype(wide)[lines_of(p)]
    unscaled = x.astype(wide)[lines_of(p)] * y.astype(wide).T[i]
    if not (np.isfinite(v).all() and np.isfinite(unscaled).all() and np.isfinite(scaled).all()):
        return plain.sddmm_csr(p, i, v, shape, x, y)
    return (scaled * y.astype(wide).T[i]).sum(axis=1, dtype=wide).astype(dtype)


def sddmm_by_dots(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    dtype = np.result_type(v, x, y)
    wide = accumulator(dtype)
    x, y = x.astype(wide), y.astype(wide)
    dots = [x[m] @ y[:, k] for m, k in zip(lines_of(p).tolist(), i.tolist(), strict=True)]
    return (v.astype(wide) * np.array(dots, wide)).astype(dtype)


def softmax_wide(p: Any, i: Any, x: Any, shape: Any) -> Any:
    return plain.softmax_csr(p, i, x.astype(np.float64), shape).astype(x.dtype)


def softmax_by_reciprocal_of_sorted(p: Any, i: Any, x: Any, shape: Any) -> Any:
    wide = accumulator(x.dtype)
    found = np.zeros(len(x), wide)
    for m in range(shape[0]):
        s = slice(int(p[m]), int(p[m + 1]))
        if s.stop > s.start:
            e = np.exp(x[s].astype(wide) - x[s].astype(wide).max())
            total = wide.type(0)
            for value in np.sort(e)[::-1]:
                total = total + value
            found[s] = e / total
    return found.astype(x.dtype)


def coo_to_csr_backwards(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Adds duplicates from the last to the first; int32 where it fits."""
    indptr, indices, values = plain.coo_to_csr(row[::-1], col[::-1], data[::-1], shape)
    return indptr.astype(np.int32), indices.astype(np.int32), values


def csr_to_csc_summed(p: Any, i: Any, x: Any, shape: Any) -> Any:
    """Sums duplicates, though it need not."""
    return plain.coo_to_csr(i.astype(np.int64), lines_of(p), x, (shape[1], shape[0]))


def csr_to_coo_by_columns(p: Any, i: Any, x: Any, shape: Any) -> Any:
    order = np.argsort(i, kind="stable")
    return [lines_of(p)[order].astype(np.int32), i[order], x[order]]


def csr_to_bsr_last_block_first(p: Any, i: Any, x: Any, shape: Any, block: Any) -> Any:
    indptr, indices, data = plain.csr_to_bsr(p, i, x, shape, block)
    order = np.lexsort((-indices, lines_of(indptr)))
    return indptr.astype(np.int32), indices[order], data[order]


def dense_to_csr_narrow(dense: Any) -> Any:
    indptr, indices, data = plain.dense_to_csr(dense)
    return indptr.astype(np.int32), indices.astype(np.int32), data


VARIANTS: dict[str, tuple[Fn, ...]] = {
    "spgemm_csr": (plain.spgemm_csr, spgemm_sorted, spgemm_drops_cancelled,
                   spgemm_rows_reversed, spgemm_expanded),
    "sddmm_csr": (plain.sddmm_csr, sddmm_scales_first, sddmm_by_dots),
    "softmax_csr": (plain.softmax_csr, softmax_wide, softmax_by_reciprocal_of_sorted),
    "coo_to_csr": (plain.coo_to_csr, coo_to_csr_backwards),
    "csr_to_csc": (plain.csr_to_csc, csr_to_csc_summed),
    "csr_to_coo": (plain.csr_to_coo, csr_to_coo_by_columns),
    "csr_to_bsr": (plain.csr_to_bsr, csr_to_bsr_last_block_first),
    "dense_to_csr": (plain.dense_to_csr, dense_to_csr_narrow),
}  # fmt: skip
"""By contract."""
