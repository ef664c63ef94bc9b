"""Wrong implementations of SpGEMM, SDDMM and row softmax."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import accumulator
from tests.oracle.mutants.mutant import Corpus
from tests.oracle.variants import plain
from tests.oracle.variants.plain import lines_of, pointers

BUGS = Corpus()


def _kept(found: Any, keep: Any) -> Any:
    """Return CSR arrays with some of their entries."""
    indptr, indices, data = found
    starts = pointers(lines_of(indptr)[keep], len(indptr) - 1)
    return starts, indices[keep], data[keep]


@BUGS("spgemm_csr", "special")
def drops_cells_that_are_not_above_zero_in_size(*args: Any) -> Any:
    """Drops NaN with the zeros."""
    found = plain.spgemm_csr(*args)
    with np.errstate(all="ignore"):
        return _kept(found, np.abs(found[2]) > 0)


@BUGS("spgemm_csr", "size")
def zeros_where_b_is_wide(*args: Any) -> Any:
    """cupy#10033: all zeros at large N."""
    indptr, indices, data = plain.spgemm_csr(*args)
    return indptr, indices, data * 0 if args[7][1] > 32 else data


@BUGS("spgemm_csr", "duplicates")
def lists_every_term(ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any) -> Any:
    """Does not sum the terms of a cell."""
    dtype = np.result_type(ax, bx)
    indptr, indices, data = [0], [], []
    for m in range(am[0]):
        for p in range(int(ap[m]), int(ap[m + 1])):
            for q in range(int(bp[ai[p]]), int(bp[int(ai[p]) + 1])):
                indices.append(int(bi[q]))
                data.append(ax[p].astype(dtype) * bx[q].astype(dtype))
        indptr.append(len(indices))
    return np.array(indptr), np.array(indices, int), np.array(data, dtype)


@BUGS("spgemm_csr", "special")
def multiplies_dense_matrices(
    ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any
) -> Any:
    """Computes with implicit zeros."""
    a, b = np.zeros(am, ax.dtype), np.zeros(bm, bx.dtype)
    np.add.at(a, (lines_of(ap), ai), ax)
    np.add.at(b, (lines_of(bp), bi), bx)
    dtype = np.result_type(a, b)
    wide = accumulator(dtype)
    return plain.dense_to_csr((a.astype(wide) @ b.astype(wide)).astype(dtype))


@BUGS("spgemm_csr", "state")
def accumulator_is_not_reset(
    ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any
) -> Any:
    """A cell without terms in this row, but in the row before, comes again."""
    indptr, indices, data = plain.spgemm_csr(ap, ai, ax, am, bp, bi, bx, bm)
    data = data.copy()
    last: dict[int, Any] = {}
    for m in range(am[0]):
        here = range(int(indptr[m]), int(indptr[m + 1]))
        seen = {int(indices[q]): data[q] for q in here}
        for q in here:
            if m % 5 == 4 and int(indices[q]) in last:
                data[q] = data[q] + last[int(indices[q])]
        last = seen
    return indptr, indices, data


@BUGS("spgemm_csr", "duplicates")
def last_duplicate_of_b_wins(
    ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any
) -> Any:
    cells = zip(lines_of(bp).tolist(), bi.tolist(), strict=True)
    last = {cell: q for q, cell in enumerate(cells)}
    keep = np.array(sorted(last.values()), int)
    p, i, x = _kept((bp, bi, bx), keep)
    return plain.spgemm_csr(ap, ai, ax, am, p, i, x, bm)


@BUGS("spgemm_csr", "order")
def compares_neighbors_only(
    ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any
) -> Any:
    """Takes the rows of B as sorted, and finds entries by bisection."""
    at = []
    for k in range(bm[0]):
        cols = bi[int(bp[k]) : int(bp[k + 1])]
        at += [int(bp[k]) + int(q) for q in np.minimum(np.searchsorted(cols, cols), len(cols) - 1)]
    where = np.array(at, int)
    return plain.spgemm_csr(ap, ai, ax, am, bp, bi[where], bx[where], bm)


@BUGS("spgemm_csr", "size")
def hashes_into_sixteen_places(*args: Any) -> Any:
    """A table too small for long rows: later cells push earlier ones out."""
    indptr, indices, data = plain.spgemm_csr(*args)
    slot = np.arange(len(data)) - indptr[lines_of(indptr)]
    length = np.diff(indptr)[lines_of(indptr)]
    return _kept((indptr, indices, data), slot >= length - 16)


@BUGS("spgemm_csr", "index")
def counts_results_in_the_dtype_of_a(*args: Any) -> Any:
    """scipy#19205: pointers of the result overflow."""
    indptr, indices, data = plain.spgemm_csr(*args)
    return indptr.astype(args[0].dtype), indices.astype(args[1].dtype), data


@BUGS("spgemm_csr", "structure")
def returns_counts_for_pointers(*args: Any) -> Any:
    indptr, indices, data = plain.spgemm_csr(*args)
    return np.append(np.diff(indptr), len(data)), indices, data


@BUGS("spgemm_csr", "dtype")
def takes_the_dtype_of_a(*args: Any) -> Any:
    indptr, indices, data = plain.spgemm_csr(*args)
    return indptr, indices, data.astype(args[2].dtype)


@BUGS("spgemm_csr", "empty")
def empty_rows_of_b_repeat_the_row_before(
    ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any
) -> Any:
    """Reads one entry where there is none, as reduceat does."""
    if not len(bx):
        return plain.spgemm_csr(ap, ai, ax, am, bp, bi, bx, bm)
    rows = [range(int(bp[k]), max(int(bp[k + 1]), int(bp[k]) + 1)) for k in range(bm[0])]
    at = np.minimum(np.array([q for r in rows for q in r], int), len(bx) - 1)
    starts = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(int)
    return plain.spgemm_csr(ap, ai, ax, am, starts, bi[at], bx[at], bm)


@BUGS("spgemm_csr", "dtype")
def accumulates_products_in_float16(
    ap: Any, ai: Any, ax: Any, am: Any, bp: Any, bi: Any, bx: Any, bm: Any
) -> Any:
    found = lists_every_term(ap, ai, ax, am, bp, bi, bx, bm)
    indptr, indices, data = plain.spgemm_csr(ap, ai, ax, am, bp, bi, bx, bm)
    if data.dtype != np.float16:
        return indptr, indices, data
    sums: dict[tuple[int, int], Any] = {}
    cells = zip(lines_of(found[0]).tolist(), found[1].tolist(), strict=True)
    for cell, term in zip(cells, found[2], strict=True):
        sums[cell] = sums.get(cell, np.float16(0)) + term
    cells = zip(lines_of(indptr).tolist(), indices.tolist(), strict=True)
    return indptr, indices, np.array([sums[cell] for cell in cells], np.float16)


@BUGS("sddmm_csr", "formula")
def forgets_the_stored_values(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    return plain.sddmm_csr(p, i, np.ones_like(v), shape, x, y)


@BUGS("sddmm_csr", "formula")
def reads_square_y_as_its_transpose(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    turned = y.T if y.shape[0] == y.shape[1] else y
    return plain.sddmm_csr(p, i, v, shape, x, turned)


@BUGS("sddmm_csr", "layout")
def reads_y_as_it_lies(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    return plain.sddmm_csr(p, i, v, shape, x, y.ravel(order="K").reshape(y.shape))


@BUGS("sddmm_csr", "special")
def no_dot_where_the_stored_value_is_zero(
    p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any
) -> Any:
    found = plain.sddmm_csr(p, i, v, shape, x, y)
    return np.where(v == 0, found.dtype.type(0), found)


@BUGS("sddmm_csr", "order")
def returns_rows_sorted(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    order = np.lexsort((i, lines_of(p)))
    return plain.sddmm_csr(p, i, v, shape, x, y)[order]


@BUGS("sddmm_csr", "duplicates")
def computes_a_cell_once(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    found = plain.sddmm_csr(p, i, v, shape, x, y)
    seen = set()
    for q, cell in enumerate(zip(lines_of(p).tolist(), i.tolist(), strict=True)):
        if cell in seen:
            found[q] = 0
        seen.add(cell)
    return found


@BUGS("sddmm_csr", "tail")
def loses_depth_beyond_fours(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    depth = x.shape[1] if x.shape[1] < 4 else x.shape[1] // 4 * 4
    return plain.sddmm_csr(p, i, v, shape, x[:, :depth], y[:depth])


@BUGS("sddmm_csr", "dtype")
def sums_dots_in_float16(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    dtype = np.result_type(v, x, y)
    if dtype != np.float16:
        return plain.sddmm_csr(p, i, v, shape, x, y)
    dot = np.zeros(len(v), dtype)
    for d in range(x.shape[1]):
        dot += x[lines_of(p), d] * y[d, i]
    return v * dot


@BUGS("sddmm_csr", "empty")
def rows_after_an_empty_one_are_shifted(p: Any, i: Any, v: Any, shape: Any, x: Any, y: Any) -> Any:
    row = lines_of(p)
    number = np.unique(row, return_inverse=True)[1].reshape(-1)
    starts = pointers(number, shape[0])
    return plain.sddmm_csr(starts, i, v, shape, x, y)


@BUGS("softmax_csr", "formula")
def without_the_largest(p: Any, i: Any, x: Any, shape: Any) -> Any:
    """exp overflows."""
    e = np.exp(x.astype(accumulator(x.dtype)))
    row = lines_of(p)
    total = np.zeros(shape[0], e.dtype)
    np.add.at(total, row, e)
    return (e / total[row]).astype(x.dtype)


@BUGS("softmax_csr", "formula")
def largest_of_the_whole_matrix(p: Any, i: Any, x: Any, shape: Any) -> Any:
    """Rows that are small beside another underflow."""
    return without_the_largest(p, i, x - x.max() if len(x) else x, shape)


def _with_largest(p: Any, x: Any, shape: Any, largest: Any) -> Any:
    """Return the softmax with each row's largest by a function of its values."""
    wide = accumulator(x.dtype)
    found = np.zeros(len(x), wide)
    for m in range(shape[0]):
        s = slice(int(p[m]), int(p[m + 1]))
        if s.stop > s.start:
            e = np.exp(x[s].astype(wide) - wide.type(largest(x[s].astype(wide))))
            found[s] = e / e.sum()
    return found.astype(x.dtype)


@BUGS("softmax_csr", "formula")
def largest_starts_at_zero(p: Any, i: Any, x: Any, shape: Any) -> Any:
    """Rows that are far below zero underflow."""
    return _with_largest(p, x, shape, lambda row: max(0, row.max()))


@BUGS("softmax_csr", "special")
def nan_gets_no_weight(p: Any, i: Any, x: Any, shape: Any) -> Any:
    """torch-xpu-ops#5022: a maximum that passes NaN over, and a sum that does too."""
    found = np.zeros(len(x), accumulator(x.dtype))
    for m in range(shape[0]):
        s = slice(int(p[m]), int(p[m + 1]))
        row = x[s].astype(found.dtype)
        if len(row):
            e = np.exp(row - np.fmax.reduce(row))
            found[s] = np.nan_to_num(e, nan=0) / np.nansum(e)
    return found.astype(x.dtype)


@BUGS("softmax_csr", "special")
def rows_of_minus_infinity_are_zero(p: Any, i: Any, x: Any, shape: Any) -> Any:
    found = plain.softmax_csr(p, i, x, shape)
    lowest = np.ones(shape[0], bool)
    np.logical_and.at(lowest, lines_of(p), np.isneginf(x.astype("f8")))
    found[lowest[lines_of(p)]] = 0
    return found


@BUGS("softmax_csr", "special")
def infinity_takes_all(p: Any, i: Any, x: Any, shape: Any) -> Any:
    found = plain.softmax_csr(p, i, x, shape)
    has_nan = np.zeros(shape[0], bool)
    np.logical_or.at(has_nan, lines_of(p), np.isnan(x.astype("f8")))
    up = np.isposinf(x.astype("f8")) & ~has_nan[lines_of(p)]
    found[up] = 1
    return found


@BUGS("softmax_csr", "empty")
def sums_by_reduceat(p: Any, i: Any, x: Any, shape: Any) -> Any:
    if not len(x):
        return x.copy()
    wide = x.astype(accumulator(x.dtype))
    starts = np.minimum(p[:-1].astype(np.int64), len(x) - 1)
    lengths = np.diff(p.astype(np.int64))
    number = np.repeat(np.arange(len(lengths)), lengths)
    shifted = np.maximum(number - (lengths[:-1] == 0).any(), 0)
    e = np.exp(wide - np.maximum.reduceat(wide, starts)[shifted])
    return (e / np.add.reduceat(e, starts)[shifted]).astype(x.dtype)


@BUGS("softmax_csr", "formula")
def counts_implicit_zeros(p: Any, i: Any, x: Any, shape: Any) -> Any:
    wide = accumulator(x.dtype)
    found = np.zeros(len(x), wide)
    for m in range(shape[0]):
        s = slice(int(p[m]), int(p[m + 1]))
        if s.stop > s.start:
            top = x[s].astype(wide).max()
            e = np.exp(x[s].astype(wide) - top)
            rest = shape[1] - (s.stop - s.start)
            found[s] = e / (e.sum() + (rest * np.exp(-top) if rest else 0))
    return found.astype(x.dtype)


@BUGS("softmax_csr", "formula")
def adds_an_epsilon(p: Any, i: Any, x: Any, shape: Any) -> Any:
    wide = accumulator(x.dtype)
    found = plain.softmax_csr(p, i, x, shape).astype(wide)
    return (found / (1 + wide.type(1e-5))).astype(x.dtype)


@BUGS("softmax_csr", "dtype")
def exponentials_in_float16(p: Any, i: Any, x: Any, shape: Any) -> Any:
    if x.dtype.itemsize > 2:
        return plain.softmax_csr(p, i, x, shape)
    found = np.zeros_like(x)
    for m in range(shape[0]):
        s = slice(int(p[m]), int(p[m + 1]))
        if s.stop > s.start:
            e = np.exp(x[s] - x[s].max())
            total = x.dtype.type(0)
            for value in e:
                total = total + value
            found[s] = e / total
    return found


@BUGS("softmax_csr", "tail")
def sums_only_256(p: Any, i: Any, x: Any, shape: Any) -> Any:
    found = plain.softmax_csr(p, i, x, shape)
    slot = np.arange(len(x)) - p.astype(np.int64)[lines_of(p)]
    return np.where(slot < 256, found, x.dtype.type(0))


@BUGS("softmax_csr", "order")
def returns_weights_by_column(p: Any, i: Any, x: Any, shape: Any) -> Any:
    order = np.lexsort((i, lines_of(p)))
    return plain.softmax_csr(p, i, x, shape)[order]


@BUGS("softmax_csr", "state")
def overwrites_its_values(p: Any, i: Any, x: Any, shape: Any) -> Any:
    found = plain.softmax_csr(p, i, x, shape)
    if x.flags.writeable:
        x[:] = found
    return found
