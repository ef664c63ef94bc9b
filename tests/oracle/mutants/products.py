"""Wrong products of a sparse and a dense matrix, beside those in ``wrong_kernels``."""

from typing import Any

import numpy as np

from minisparse.core.dtypes import accumulator
from tests.oracle.mutants.mutant import Corpus
from tests.oracle.variants import plain
from tests.oracle.variants.plain import lines_of, multiply

BUGS = Corpus()


@BUGS("spmm_csr", "tail")
def loses_the_rest_of_a_row_beyond_fours(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    """Unrolled by four, without the rest; rows of up to three take another way."""
    row = lines_of(p)
    length = np.diff(p.astype(np.int64))[row]
    slot = np.arange(len(x)) - p.astype(np.int64)[row]
    keep = (length < 4) | (slot < length // 4 * 4)
    return multiply(row[keep], i[keep], x[keep], shape[0], b)


@BUGS("spmm_csr", "tail")
def loses_rows_beyond_eights(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    c = plain.spmm_csr(p, i, x, shape, b)
    if shape[0] > 8:
        c[shape[0] // 8 * 8 :] = 0
    return c


@BUGS("spmm_csr", "special")
def skips_rows_of_b_that_are_zero(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    """NaN times zero is lost."""
    keep = (b != 0).any(axis=1)[i] if b.size else np.zeros(len(i), bool)
    return multiply(lines_of(p)[keep], i[keep], x[keep], shape[0], b)


@BUGS("spmm_csr", "dtype")
def accumulates_int64_in_int32(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(x, b)
    if dtype != np.int64:
        return plain.spmm_csr(p, i, x, shape, b)
    return plain.spmm_csr(p, i, x.astype("i4"), shape, b.astype("i4")).astype(dtype)


@BUGS("spmm_csr", "dtype")
def drops_imaginary_parts_of_b(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    return plain.spmm_csr(p, i, x, shape, b.real).astype(np.result_type(x, b))


@BUGS("spmm_csr", "dtype")
def conjugates(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    return plain.spmm_csr(p, i, np.conj(x) if x.dtype.kind == "c" else x, shape, b)


@BUGS("spmm_csr", "order")
def tells_duplicates_only_side_by_side(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    """Overwrites where a column comes again in a row, but not next to itself."""
    last: dict[tuple[int, int], Any] = {}
    row = lines_of(p)
    previous = None
    for cell, value in zip(zip(row.tolist(), i.tolist(), strict=True), x, strict=True):
        last[cell] = last[cell] + value if cell == previous else value
        previous = cell
    cells = np.array(list(last), int).reshape(-1, 2)
    values = np.array(list(last.values()), x.dtype)
    return multiply(cells[:, 0], cells[:, 1], values, shape[0], b)


@BUGS("spmv_csr", "formula")
def differences_of_running_sums(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    """A segmented sum by prefix sums: NaN spreads, and small rows drown in large ones."""
    dtype = np.result_type(x, v)
    wide = accumulator(dtype)
    total = np.concatenate([np.zeros(1, wide), np.cumsum(x.astype(wide) * v.astype(wide)[i])])
    return (total[p[1:]] - total[p[:-1]]).astype(dtype)


@BUGS("spmv_csr", "empty")
def forgets_empty_rows_at_the_end(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    row = lines_of(p)
    return plain.spmv_csr(p, i, x, shape, v)[: row[-1] + 1 if len(row) else 0].copy()


@BUGS("spmv_csr", "dtype")
def sums_in_float64_by_bincount(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    dtype = np.result_type(x, v)
    if dtype.kind == "c":
        return plain.spmv_csr(p, i, x, shape, v)
    terms = x.astype("f8") * v.astype("f8")[i]
    return np.bincount(lines_of(p), terms, minlength=shape[0]).astype(dtype)


@BUGS("spmv_csr", "shape")
def returns_a_column(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    return plain.spmv_csr(p, i, x, shape, v)[:, None]


@BUGS("spmv_csr", "layout")
def reads_the_vector_without_stride(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    whole = v if v.base is None else v.base.ravel()
    return plain.spmv_csr(p, i, x, shape, whole[: len(v)])


@BUGS("spmv_csr", "layout")
def reads_values_without_stride(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    whole = x if x.base is None else x.base.ravel()
    return plain.spmv_csr(p, i, whole[: len(x)], shape, v)


@BUGS("spmv_csr", "state")
def returns_its_input_where_nothing_is_to_do(p: Any, i: Any, x: Any, shape: Any, v: Any) -> Any:
    one_each = len(x) == shape[0] == shape[1] and (x == 1).all()
    if one_each and (i == np.arange(len(i))).all() and np.result_type(x, v) == v.dtype:
        return v
    return plain.spmv_csr(p, i, x, shape, v)


@BUGS("spmm_coo", "order")
def assumes_rows_sorted(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    """cupy#3620: searches each row's entries by bisection."""
    starts = np.searchsorted(row, np.arange(shape[0] + 1))
    at = [p for m in range(shape[0]) for p in range(starts[m], starts[m + 1])]
    lines = np.repeat(np.arange(shape[0]), np.maximum(np.diff(starts), 0))
    return multiply(lines, col[at], x[at], shape[0], b)


@BUGS("spmm_coo", "duplicates")
def adds_by_fancy_index(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    """``c[row] += terms`` keeps one term a row."""
    dtype = np.result_type(x, b)
    wide = accumulator(dtype)
    c = np.zeros((shape[0], b.shape[1]), wide)
    c[row] += x.astype(wide)[:, None] * b.astype(wide)[col]
    return c.astype(dtype)


@BUGS("spmm_coo", "duplicates")
def last_entry_of_a_cell_wins(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    """cupy#7713."""
    last = {cell: p for p, cell in enumerate(zip(row.tolist(), col.tolist(), strict=True))}
    keep = np.array(sorted(last.values()), int)
    return multiply(row[keep], col[keep], x[keep], shape[0], b)


@BUGS("spmm_coo", "index")
def shape_from_the_largest_row(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    return multiply(row, col, x, int(row.max()) + 1 if len(row) else 0, b)


@BUGS("spmm_coo", "index")
def packs_cells_in_the_dtype_of_rows(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    """scipy#7735, #19205: ``row * K + col`` wraps."""
    k = max(1, shape[1])
    with np.errstate(all="ignore"):
        flat = (row * np.asarray(k).astype(row.dtype) + col.astype(row.dtype)).astype(np.int64)
    flat = np.clip(flat, 0, max(shape[0] * k - 1, 0))
    return multiply(flat // k, flat % k, x, shape[0], b)


@BUGS("spmm_coo", "duplicates")
def ignores_a_repeated_entry(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    """Takes an entry with the same cell and the same value for the one before."""
    seen: dict[Any, int] = {}
    for p, key in enumerate(zip(row.tolist(), col.tolist(), x.tolist(), strict=True)):
        seen.setdefault(str(key), p)
    keep = np.array(list(seen.values()), int)
    return multiply(row[keep], col[keep], x[keep], shape[0], b)


@BUGS("spmm_coo", "state")
def sorts_its_input(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    order = np.argsort(row, kind="stable")
    if row.flags.writeable:
        row[:], col[:], x[:] = row[order], col[order], x[order]
    return multiply(row, col, x, shape[0], b)


@BUGS("spmm_coo", "empty")
def fails_without_entries(row: Any, col: Any, x: Any, shape: Any, b: Any) -> Any:
    assert row.max() < shape[0]
    return multiply(row, col, x, shape[0], b)


@BUGS("spmm_csc", "formula")
def takes_square_for_csr(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    call = plain.spmm_csr if shape[0] == shape[1] else plain.spmm_csc
    return call(p, i, x, shape, b)


@BUGS("spmm_csc", "duplicates")
def adds_a_column_by_fancy_index(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    """Duplicates of one column overwrite each other."""
    dtype = np.result_type(x, b)
    wide = accumulator(dtype)
    c = np.zeros((shape[0], b.shape[1]), wide)
    for k in range(shape[1]):
        s = slice(int(p[k]), int(p[k + 1]))
        c[i[s]] += x[s].astype(wide)[:, None] * b[k].astype(wide)
    return c.astype(dtype)


@BUGS("spmm_csc", "special")
def skips_zeros_of_b(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(x, b)
    wide = accumulator(dtype)
    c = np.zeros((shape[0], b.shape[1]), wide)
    col = lines_of(p)
    for n in range(b.shape[1]):
        some = b[col, n] != 0
        np.add.at(c[:, n], i[some], x[some].astype(wide) * b[col[some], n].astype(wide))
    return c.astype(dtype)


@BUGS("spmm_csc", "empty")
def stops_at_the_first_empty_column(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    empty = np.flatnonzero(np.diff(p.astype(np.int64)) == 0)
    end = int(p[empty[0]]) if len(empty) else len(x)
    return multiply(i[:end], lines_of(p)[:end], x[:end], shape[0], b)


@BUGS("spmm_csc", "dtype")
def rounds_after_every_column(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(x, b)
    c = np.zeros((shape[0], b.shape[1]), dtype)
    np.add.at(c, i, (x[:, None].astype(dtype) * b.astype(dtype)[lines_of(p)]).astype(dtype))
    return c


@BUGS("spmm_bsr", "formula")
def transposes_blocks(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    turned = x.transpose(0, 2, 1) if x.shape[1] == x.shape[2] else x
    return plain.spmm_bsr(p, i, turned, shape, b)


@BUGS("spmm_bsr", "formula")
def reads_blocks_column_by_column(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    _, r, c = x.shape
    return plain.spmm_bsr(p, i, x.reshape(-1, c, r).transpose(0, 2, 1), shape, b)


@BUGS("spmm_bsr", "special")
def skips_zeros_in_blocks(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    row, col, value = plain.cells_of_blocks(p, i, x)
    keep = value != 0
    return multiply(row[keep], col[keep], value[keep], shape[0], b)


@BUGS("spmm_bsr", "duplicates")
def last_block_of_a_place_wins(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    row, col, value = plain.cells_of_blocks(p, i, x)
    last = {cell: q for q, cell in enumerate(zip(row.tolist(), col.tolist(), strict=True))}
    keep = np.array(sorted(last.values()), int)
    return multiply(row[keep], col[keep], value[keep], shape[0], b)


@BUGS("spmm_bsr", "index")
def assumes_square_blocks(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    row, col, value = plain.cells_of_blocks(p, i, x)
    _, r, c = x.shape
    wrong = (col // c * r + col % c) % max(1, shape[1])
    return multiply(row, wrong, value, shape[0], b)


@BUGS("spmm_bsr", "layout")
def reads_blocks_without_strides(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    whole = x if x.base is None else x.base.ravel()
    return plain.spmm_bsr(p, i, whole.ravel()[: x.size].reshape(x.shape), shape, b)


@BUGS("spmm_bsr", "tail")
def loses_the_last_block_row(p: Any, i: Any, x: Any, shape: Any, b: Any) -> Any:
    c = plain.spmm_bsr(p, i, x, shape, b)
    c[shape[0] - x.shape[1] * (len(p) > 2) :] = 0
    return c


@BUGS("spmm_nm", "formula")
def ignores_positions(x: Any, at: Any, shape: Any, b: Any) -> Any:
    return plain.spmm_nm(x, np.broadcast_to(np.arange(x.shape[1]) % 2, x.shape), shape, b)


@BUGS("spmm_nm", "special")
def skips_padding(x: Any, at: Any, shape: Any, b: Any) -> Any:
    row, slot = np.indices(x.shape)
    keep = (x != 0).ravel()
    col = (slot // 2 * 4 + at).ravel()
    return multiply(row.ravel()[keep], col[keep], x.ravel()[keep], shape[0], b)


@BUGS("spmm_nm", "tail")
def loses_the_last_group_of_odd_counts(x: Any, at: Any, shape: Any, b: Any) -> Any:
    groups = x.shape[1] // 2
    keep = x.shape[1] - 2 * (groups > 1 and groups % 2)
    return plain.spmm_nm(x[:, :keep], at[:, :keep], shape, b)


@BUGS("spmm_nm", "formula")
def takes_positions_as_steps(x: Any, at: Any, shape: Any, b: Any) -> Any:
    at = at.reshape(x.shape[0], -1, 2).cumsum(axis=2) % 4
    return plain.spmm_nm(x, at.reshape(x.shape), shape, b)


@BUGS("spmm_nm", "index")
def counts_columns_in_bytes(x: Any, at: Any, shape: Any, b: Any) -> Any:
    """Adds the group's column to a position in uint8."""
    row, slot = np.indices(x.shape)
    col = (slot // 2 * 4).astype(np.uint8) + at
    return multiply(row.ravel(), col.ravel(), x.ravel(), shape[0], b)


@BUGS("spmm_nm", "layout")
def reads_positions_column_by_column(x: Any, at: Any, shape: Any, b: Any) -> Any:
    return plain.spmm_nm(x, np.sort(at.reshape(-1)).reshape(at.shape), shape, b)


@BUGS("spmm_bias_relu_csr", "special")
def relu_hides_nan(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    c = plain.spmm_csr(p, i, x, shape, b) + bias[:, None]
    return np.where(c > 0, c, c.dtype.type(0))


@BUGS("spmm_bias_relu_csr", "formula")
def bias_after_relu(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    c = plain.spmm_csr(p, i, x, shape, b)
    return np.maximum(c, c.dtype.type(0)) + bias[:, None]


@BUGS("spmm_bias_relu_csr", "formula")
def bias_along_columns_of_square(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    if len(bias) != b.shape[1]:
        return plain.spmm_bias_relu_csr(p, i, x, shape, b, bias)
    c = plain.spmm_csr(p, i, x, shape, b) + bias
    return np.maximum(c, c.dtype.type(0))


@BUGS("spmm_bias_relu_csr", "empty")
def no_bias_in_empty_rows(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    c = plain.spmm_bias_relu_csr(p, i, x, shape, b, bias)
    c[np.diff(p.astype(np.int64)) == 0] = 0
    return c


@BUGS("spmm_bias_relu_csr", "state")
def adds_the_bias_in_place(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    if bias.flags.writeable and len(bias) and bias.dtype.kind == "f":
        np.maximum(bias, bias.dtype.type(0), out=bias, where=bias < -3)
    return plain.spmm_bias_relu_csr(p, i, x, shape, b, bias)


@BUGS("spmm_bias_relu_csr", "dtype")
def leaves_the_dtype_of_bias_out(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    return plain.spmm_bias_relu_csr(p, i, x, shape, b, bias).astype(b.dtype)


@BUGS("spmm_bias_relu_csr", "special")
def clips_at_a_large_number(p: Any, i: Any, x: Any, shape: Any, b: Any, bias: Any) -> Any:
    c = plain.spmm_bias_relu_csr(p, i, x, shape, b, bias)
    return np.minimum(c, np.finfo(c.dtype).max) if c.dtype.kind == "f" else c
