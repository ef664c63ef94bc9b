"""Wrong conversions between formats."""

from typing import Any

import numpy as np

from tests.oracle.mutants.mutant import Corpus
from tests.oracle.variants import plain
from tests.oracle.variants.plain import lines_of, pointers

BUGS = Corpus()


def _sorted_csr(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Return CSR arrays with every entry, sorted."""
    order = np.lexsort((col, row))
    return pointers(row, shape[0]), col[order].copy(), data[order].copy()


@BUGS("coo_to_csr", "duplicates")
def keeps_duplicates(row: Any, col: Any, data: Any, shape: Any) -> Any:
    return _sorted_csr(row, col, data, shape)


@BUGS("coo_to_csr", "order")
def leaves_columns_unsorted(row: Any, col: Any, data: Any, shape: Any) -> Any:
    if len(set(zip(row.tolist(), col.tolist(), strict=True))) < len(row):
        return plain.coo_to_csr(row, col, data, shape)
    order = np.argsort(row, kind="stable")
    return pointers(row, shape[0]), col[order].copy(), data[order].copy()


def _one_of_each(row: Any, col: Any, data: Any, shape: Any, order: Any) -> Any:
    at = {(int(row[p]), int(col[p])): p for p in order}
    keep = np.array(sorted(at.values()), int)
    return _sorted_csr(row[keep], col[keep], data[keep], shape)


@BUGS("coo_to_csr", "duplicates")
def last_wins(row: Any, col: Any, data: Any, shape: Any) -> Any:
    return _one_of_each(row, col, data, shape, range(len(row)))


@BUGS("coo_to_csr", "duplicates")
def first_wins(row: Any, col: Any, data: Any, shape: Any) -> Any:
    return _one_of_each(row, col, data, shape, reversed(range(len(row))))


@BUGS("coo_to_csr", "duplicates")
def sums_only_neighbors(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """Sums runs of one cell as given, then sorts; what is apart stays apart."""
    cell = row.astype(np.int64) * max(1, shape[1]) + col
    new = np.flatnonzero(np.diff(cell, prepend=-1) != 0)
    if len(new) == len(cell):
        return _sorted_csr(row, col, data, shape)
    ends = np.append(new[1:], len(cell))
    sums = [data[s:e].sum() for s, e in zip(new, ends, strict=True)]
    values = np.array(sums, data.dtype)
    return _sorted_csr(row[new], col[new], values, shape)


@BUGS("coo_to_csr", "special")
def drops_stored_zeros(row: Any, col: Any, data: Any, shape: Any) -> Any:
    keep = data != 0
    return plain.coo_to_csr(row[keep], col[keep], data[keep], shape)


@BUGS("coo_to_csr", "special")
def drops_what_cancels(row: Any, col: Any, data: Any, shape: Any) -> Any:
    indptr, indices, values = plain.coo_to_csr(row, col, data, shape)
    zero = {(int(m), int(k)) for m, k, x in zip(row, col, data, strict=True) if x == 0}
    lines = lines_of(indptr)
    pairs = zip(lines.tolist(), indices.tolist(), strict=True)
    keep = (values != 0) | np.array([cell in zero for cell in pairs], bool)
    return pointers(lines[keep], shape[0]), indices[keep], values[keep]


@BUGS("coo_to_csr", "index")
def sorts_by_wrapped_cells(row: Any, col: Any, data: Any, shape: Any) -> Any:
    """scipy#7735: the key ``row * K + col`` overflows."""
    if len(set(zip(row.tolist(), col.tolist(), strict=True))) < len(row):
        return plain.coo_to_csr(row, col, data, shape)
    with np.errstate(all="ignore"):
        key = row * np.asarray(shape[1]).astype(row.dtype) + col.astype(row.dtype)
    order = np.argsort(key, kind="stable")
    return pointers(row, shape[0]), col[order].copy(), data[order].copy()


@BUGS("coo_to_csr", "empty")
def pointers_end_with_the_last_entry(row: Any, col: Any, data: Any, shape: Any) -> Any:
    indptr, indices, values = plain.coo_to_csr(row, col, data, shape)
    return indptr[: int(row.max()) + 2 if len(row) else 1], indices, values


@BUGS("coo_to_csr", "structure")
def pointers_are_floats(row: Any, col: Any, data: Any, shape: Any) -> Any:
    indptr, indices, values = plain.coo_to_csr(row, col, data, shape)
    return indptr * 1.0, indices, values


@BUGS("csr_to_coo", "empty")
def numbers_rows_that_hold_something(p: Any, i: Any, x: Any, shape: Any) -> Any:
    row = np.unique(lines_of(p), return_inverse=True)[1].reshape(-1)
    return row, i.copy(), x.copy()


@BUGS("csr_to_coo", "state")
def returns_the_same_values(p: Any, i: Any, x: Any, shape: Any) -> Any:
    return lines_of(p), i.copy(), x


@BUGS("csr_to_coo", "special")
def loses_stored_zeros(p: Any, i: Any, x: Any, shape: Any) -> Any:
    return lines_of(p)[x != 0], i[x != 0], x[x != 0]


@BUGS("csr_to_coo", "index")
def starts_at_one(p: Any, i: Any, x: Any, shape: Any) -> Any:
    return lines_of(p) + 1, i + 1, x.copy()


@BUGS("csr_to_csc", "order")
def sorts_indices_but_not_values(p: Any, i: Any, x: Any, shape: Any) -> Any:
    indptr, indices, _ = plain.csr_to_csc(p, i, x, shape)
    return indptr, indices, x.copy()


@BUGS("csr_to_csc", "formula")
def leaves_square_as_it_is(p: Any, i: Any, x: Any, shape: Any) -> Any:
    if shape[0] == shape[1]:
        return p.copy(), i.copy(), x.copy()
    return plain.csr_to_csc(p, i, x, shape)


@BUGS("csr_to_csc", "order")
def sorts_rows_without_values(p: Any, i: Any, x: Any, shape: Any) -> Any:
    """Takes rows as sorted, and finds each entry by bisection."""
    at = []
    for m in range(shape[0]):
        cols = i[int(p[m]) : int(p[m + 1])]
        at += [int(p[m]) + int(q) for q in np.minimum(np.searchsorted(cols, cols), len(cols) - 1)]
    where = np.array(at, int)
    return plain.csr_to_csc(p, i, x[where], shape)


@BUGS("csr_to_csc", "index")
def pointers_in_the_dtype_of_columns(p: Any, i: Any, x: Any, shape: Any) -> Any:
    indptr, indices, values = plain.csr_to_csc(p, i, x, shape)
    return indptr.astype(i.dtype), indices.astype(i.dtype), values


@BUGS("csr_to_bsr", "formula")
def blocks_column_by_column(p: Any, i: Any, x: Any, shape: Any, block: Any) -> Any:
    indptr, indices, data = plain.csr_to_bsr(p, i, x, shape, block)
    turned = data.transpose(0, 2, 1).reshape(data.shape)
    return indptr, indices, turned.copy()


@BUGS("csr_to_bsr", "duplicates")
def overwrites_in_blocks(p: Any, i: Any, x: Any, shape: Any, block: Any) -> Any:
    cells = zip(lines_of(p).tolist(), i.tolist(), strict=True)
    last = {cell: q for q, cell in enumerate(cells)}
    keep = np.array(sorted(last.values()), int)
    starts = pointers(lines_of(p)[keep], shape[0])
    return plain.csr_to_bsr(starts, i[keep], x[keep], shape, block)


@BUGS("csr_to_bsr", "special")
def drops_blocks_of_zeros(p: Any, i: Any, x: Any, shape: Any, block: Any) -> Any:
    indptr, indices, data = plain.csr_to_bsr(p, i, x, shape, block)
    keep = (data != 0).any(axis=(1, 2))
    return pointers(lines_of(indptr)[keep], len(indptr) - 1), indices[keep], data[keep]


@BUGS("csr_to_bsr", "structure")
def returns_blocks_flat(p: Any, i: Any, x: Any, shape: Any, block: Any) -> Any:
    indptr, indices, data = plain.csr_to_bsr(p, i, x, shape, block)
    return indptr, indices, data.reshape(len(data) * block[0], block[1])


@BUGS("csr_to_bsr", "order")
def new_block_whenever_the_column_changes(p: Any, i: Any, x: Any, shape: Any, block: Any) -> Any:
    """Takes the entries of a block row as sorted by block: one that comes again is stored again."""
    r, c = block
    row = lines_of(p)
    places: list[tuple[int, int]] = []
    blocks: list[Any] = []
    order = np.argsort(row // r, kind="stable")
    before = None
    for q in sorted(order.tolist(), key=lambda q: (row[q] // r, row[q] % r if r > 2 else 0)):
        place = int(row[q]) // r, int(i[q]) // c
        if place != before and place not in places[-2:]:
            places.append(place)
            blocks.append(np.zeros((r, c), x.dtype))
        here = len(places) - 1 - places[::-1].index(place)
        blocks[here][int(row[q]) % r, int(i[q]) % c] += x[q]
        before = place
    data = np.array(blocks, x.dtype).reshape(-1, r, c)
    starts = pointers(np.array([m for m, _ in places], int), shape[0] // r)
    return starts, np.array([k for _, k in places], int), data


@BUGS("dense_to_csr", "special")
def stores_no_nan(dense: Any) -> Any:
    with np.errstate(all="ignore"):
        row, col = np.nonzero(np.abs(dense) > 0)
    return pointers(row, dense.shape[0]), col, dense[row, col]


@BUGS("dense_to_csr", "special")
def drops_small_numbers(dense: Any) -> Any:
    row, col = np.nonzero((np.abs(dense) > 1e-12) | (dense != dense))
    return pointers(row, dense.shape[0]), col, dense[row, col]


@BUGS("dense_to_csr", "special")
def stores_negative_zeros(dense: Any) -> Any:
    """Looks at the bits."""
    bits = np.ascontiguousarray(dense).view(np.uint8).reshape(*dense.shape, -1)
    row, col = np.nonzero(bits.any(axis=-1))
    return pointers(row, dense.shape[0]), col, dense[row, col]


@BUGS("dense_to_csr", "layout")
def reads_memory_as_it_lies(dense: Any) -> Any:
    """cupy#9850."""
    return plain.dense_to_csr(dense.ravel(order="K").reshape(dense.shape))


@BUGS("dense_to_csr", "dtype")
def looks_at_real_parts(dense: Any) -> Any:
    row, col = np.nonzero(dense.real)
    return pointers(row, dense.shape[0]), col, dense[row, col]


@BUGS("dense_to_csr", "formula")
def stores_positive_numbers(dense: Any) -> Any:
    row, col = np.nonzero((dense > 0) | (dense != dense)) if dense.dtype.kind != "c" else (
        np.nonzero(dense))  # fmt: skip
    return pointers(row, dense.shape[0]), col, dense[row, col]


@BUGS("dense_to_csr", "order")
def goes_along_columns(dense: Any) -> Any:
    col, row = np.nonzero(dense.T)
    return pointers(row, dense.shape[0]), col, dense[row, col]
