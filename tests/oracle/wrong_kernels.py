"""Kernels for ``spmm_csr`` that are wrong, each in one way.

They follow bugs of published libraries where that is noted.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracle.right_kernels import Kernel, dtypes, loops, rows_of


def reduceat_after_empty_rows(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    if len(data) == 0 or shape[0] == 0:
        return np.zeros((shape[0], b.shape[1]), dtype)
    terms = data.astype(wide)[:, None] * b.astype(wide)[indices]
    starts = np.minimum(indptr[:-1].astype(np.int64), len(data) - 1)
    return np.add.reduceat(terms, starts, axis=0).astype(dtype)


def last_duplicate_wins(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """cupy#7713."""
    row = rows_of(indptr)
    cells = zip(row.tolist(), indices.tolist(), strict=True)
    last = {cell: p for p, cell in enumerate(cells)}
    keep = np.array(sorted(last.values()), int)
    counts = np.bincount(row[keep], minlength=shape[0])
    return loops(np.append(0, np.cumsum(counts)), indices[keep], data[keep], shape, b)


def needs_sorted_indices(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """cupy#3620: looks columns up by bisection."""
    row = rows_of(indptr)
    found = []
    for m in range(shape[0]):
        cols = indices[int(indptr[m]) : int(indptr[m + 1])]
        at = np.searchsorted(cols, cols)
        found += [int(indptr[m]) + int(i) for i in np.minimum(at, max(len(cols) - 1, 0))]
    where = np.array(found, int)
    out = loops(indptr, indices[where], data[where], shape, b)
    assert len(row) == len(where)
    return out


def flat_index_overflows(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """scipy#7735: row * columns + column in the dtype of the indices."""
    dtype, wide = dtypes(data, b)
    row = rows_of(indptr).astype(indices.dtype)
    with np.errstate(all="ignore"):
        flat = row * np.array(max(shape[1], 1)).astype(indices.dtype) + indices
    flat = np.clip(flat.astype(np.int64), 0, max(shape[0] * shape[1] - 1, 0))
    m, k = flat // max(shape[1], 1), flat % max(shape[1], 1)
    c = np.zeros((shape[0], b.shape[1]), wide)
    np.add.at(c, m, data.astype(wide)[:, None] * b.astype(wide)[k])
    return c.astype(dtype)


def skips_explicit_zeros(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    keep = data != 0
    counts = np.bincount(rows_of(indptr)[keep], minlength=shape[0])
    return loops(np.append(0, np.cumsum(counts)), indices[keep], data[keep], shape, b)


def computes_with_implicit_zeros(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype, wide = dtypes(data, b)
    dense = np.zeros(shape, wide)
    np.add.at(dense, (rows_of(indptr), indices), data.astype(wide))
    return np.matmul(dense, b.astype(wide)).astype(dtype)


def accumulates_in_float16(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(data, b)
    if dtype != np.float16:
        return loops(indptr, indices, data, shape, b)
    c = np.zeros((shape[0], b.shape[1]), dtype)
    for m in range(shape[0]):
        for p in range(int(indptr[m]), int(indptr[m + 1])):
            c[m] += data[p] * b[indices[p]]
    return c


def accumulates_in_float32(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    dtype = np.result_type(data, b)
    if dtype != np.float64:
        return loops(indptr, indices, data, shape, b)
    return loops(indptr, indices, data.astype("f4"), shape, b.astype("f4")).astype(dtype)


class KeepsStaleValues:
    """Packs a matrix once for each array of indices, whatever the values are by then."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Any, Any]] = {}

    def __call__(self, indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        kept, values = self._packed.setdefault(id(indices), (indices, data.copy()))
        assert kept is indices
        return loops(indptr, indices, values, shape, b)


class KeepsStaleObject:
    """Packs a matrix once for each array of values, even if that is written to."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Any, Any]] = {}

    def __call__(self, indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        _, values = self._packed.setdefault(id(data), (data, data.copy()))
        return loops(indptr, indices, values, shape, b)


class KeepsFirstArray:
    """Keeps the first array of values seen with an array of indices, not a copy of it."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Any, Any]] = {}

    def __call__(self, indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        _, values = self._packed.setdefault(id(indices), (indices, data))
        return loops(indptr, indices, values, shape, b)


class CachesBySizes:
    """Keeps what it packed under shape and number of entries."""

    def __init__(self) -> None:
        self._packed: dict[Any, Any] = {}

    def __call__(self, indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        key = shape, len(data), data.dtype
        indptr, indices = self._packed.setdefault(key, (indptr.copy(), indices.copy()))
        return loops(indptr, indices, data, shape, b)


def sorts_in_place(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    for m in range(shape[0]):
        p = slice(int(indptr[m]), int(indptr[m + 1]))
        order = np.argsort(indices[p], kind="stable")
        if (np.diff(order) < 0).any() and indices.flags.writeable:
            indices[p], data[p] = indices[p][order], data[p][order]
    return loops(indptr, indices, data, shape, b)


class ReturnsItsBuffer:
    """Returns the same memory at each call of the same size."""

    def __init__(self) -> None:
        self._buffers: dict[Any, Any] = {}

    def __call__(self, indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
        c = loops(indptr, indices, data, shape, b)
        buffer = self._buffers.setdefault((c.shape, c.dtype), c)
        buffer[...] = c
        return buffer


def returns_float64(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = loops(indptr, indices, data, shape, b)
    return c.astype(np.float64) if c.dtype == np.float32 else c


def takes_dtype_of_a(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    return loops(indptr, indices, data, shape, b).astype(data.dtype)


def drops_last_row(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = loops(indptr, indices, data, shape, b)
    c[shape[0] - 1 :] = 0
    return c


def drops_remainder_of_columns(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = loops(indptr, indices, data, shape, b)
    if c.shape[1] > 32:
        c[:, c.shape[1] // 32 * 32 :] = 0
    return c


def ignores_fortran_order(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """cupy#9850: reads memory as it lies."""
    return loops(indptr, indices, data, shape, b.ravel(order="K").reshape(b.shape))


def reads_base_of_views(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Ignores strides: reads on from where the memory of a strided array begins."""
    whole = b if b.base is None else b.base
    flat = whole.ravel(order="K") if whole.size > b.size else b.ravel()
    return loops(indptr, indices, data, shape, flat[: b.size].reshape(b.shape))


def transposes_square(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    if shape[0] != shape[1] or shape[0] < 2:
        return loops(indptr, indices, data, shape, b)
    order = np.argsort(indices, kind="stable")
    counts = np.bincount(indices.astype(int), minlength=shape[0])
    row = rows_of(indptr)[order]
    return loops(np.append(0, np.cumsum(counts)), row, data[order], shape, b)


def hides_nan(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """torch-xpu-ops#5022."""
    c = loops(indptr, indices, data, shape, b)
    return np.where(np.isnan(c), c.dtype.type(0), c) if c.dtype.kind in "fc" else c


def stops_after_256(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    slot = np.arange(len(data)) - indptr.astype(np.int64)[rows_of(indptr)]
    keep = slot < 256
    counts = np.bincount(rows_of(indptr)[keep], minlength=shape[0])
    return loops(np.append(0, np.cumsum(counts)), indices[keep], data[keep], shape, b)


def leaves_empty_rows_unset(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = loops(indptr, indices, data, shape, b)
    c[np.diff(indptr.astype(np.int64)) == 0] = c.dtype.type(1)  # whatever memory held
    return c


def fails_on_nothing_stored(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """pytorch#16543, #82149, pydata/sparse#506."""
    if indices.max() >= shape[1]:
        raise ValueError("index out of range")
    return loops(indptr, indices, data, shape, b)


def wraps_too_late(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    """Sums integers in float64, and saturates."""
    dtype = np.result_type(data, b)
    if dtype.kind not in "iu":
        return loops(indptr, indices, data, shape, b)
    c = loops(indptr, indices, data.astype("f8"), shape, b.astype("f8"))
    info = np.iinfo(dtype)
    return np.clip(c, float(info.min), float(info.max) * (1 - 2.0**-52)).astype(dtype)


def squeezes_one_column(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = loops(indptr, indices, data, shape, b)
    return c[:, 0].copy() if c.shape[1] == 1 else c


def flushes_subnormals(indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = loops(indptr, indices, data, shape, b)
    if c.dtype not in (np.float32, np.float64):
        return c
    return np.where(np.abs(c) < np.finfo(c.dtype).tiny, c.dtype.type(0), c)


WRONG: tuple[Callable[[], Kernel], ...] = (
    lambda: reduceat_after_empty_rows,
    lambda: last_duplicate_wins,
    lambda: needs_sorted_indices,
    lambda: flat_index_overflows,
    lambda: skips_explicit_zeros,
    lambda: computes_with_implicit_zeros,
    lambda: accumulates_in_float16,
    lambda: accumulates_in_float32,
    KeepsStaleValues,
    KeepsStaleObject,
    KeepsFirstArray,
    CachesBySizes,
    lambda: sorts_in_place,
    ReturnsItsBuffer,
    lambda: returns_float64,
    lambda: takes_dtype_of_a,
    lambda: drops_last_row,
    lambda: drops_remainder_of_columns,
    lambda: ignores_fortran_order,
    lambda: reads_base_of_views,
    lambda: transposes_square,
    lambda: hides_nan,
    lambda: stops_after_256,
    lambda: leaves_empty_rows_unset,
    lambda: fails_on_nothing_stored,
    lambda: wraps_too_late,
    lambda: squeezes_one_column,
    lambda: flushes_subnormals,
)
"""Makers of kernels: those with a memory start with an empty one."""


def name_of(maker: Callable[[], Kernel]) -> str:
    kernel = maker()
    return getattr(kernel, "__name__", type(kernel).__name__)
