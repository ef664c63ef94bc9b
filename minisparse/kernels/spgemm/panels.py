"""C = A @ B of operands that are not so sparse: some rows of A, laid out dense, times all of B.

Where most cells of C are the sums of many products, a dense matrix product takes less time than
the products one by one, zeros and all: two of them, since which cells are met is told by counting
the terms, the product of two matrices of ones. The counts are exact, and cells whose terms cancel
are counted like any other.

A dense product computes with zeros that are not stored, so it is right only where every value is
finite (rule S1), and it needs the sum of duplicates before it is multiplied (rule S2): so there
may be none.

On 2 cores with AVX-512, for matrices of float32 of 1024 x 1024 it pays from a density of 0.055 on.
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.index import index_dtype
from minisparse.formats.compressed import Compressed, is_increasing
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spgemm.adding import Part
from minisparse.kernels.spgemm.bound import SpgemmBound
from minisparse.kernels.spgemm.growing import Growing
from minisparse.kernels.spgemm.meeting import ENTRIES, some_rows
from minisparse.kernels.threads import share, usable_threads
from minisparse.kernels.wide import wide_dtype

PRODUCT_TIME = 10.0
"""1e-9 seconds to make one product and add it up: one core works."""
TERM_TIME = 0.016
"""The same of one term of a dense product of float32; of float64 twice as much, and so on.

Only their ratio counts. Measured on a server with 2 cores and AVX-512.
"""
BYTES = 1 << 22
"""Of the rows of A or C that are laid out dense at a time, for each thread."""
WIDEST = 1 << 13
"""Rows and columns of B up to which that is enough rows."""

_ONE = np.dtype(np.float32)


def is_worth_it(a: Compressed, b: Compressed, columns: int, bound: SpgemmBound) -> bool:
    """Tell whether panels are allowed, and take less time than the products one by one."""
    wide, inner = wide_dtype(a.data, b.data), len(b.indptr) - 1
    if wide.kind not in "fc" or max(inner, columns) > WIDEST:
        return False
    terms = (len(a.indptr) - 1) * inner * columns
    if bound.products * PRODUCT_TIME <= terms * time_of_term(wide):
        return False
    return all(_is_finite(x.data) and _is_distinct(x) for x in (a, b))


def time_of_term(wide: DType) -> float:
    """Return the time of a term, and of counting it, in the unit of :data:`PRODUCT_TIME`."""
    return TERM_TIME * (1 + wide.itemsize / 4 * (2 if wide.kind == "c" else 1))


def _is_finite(data: Array) -> bool:
    """Tell whether no value is infinite or NaN, looking at some of them at a time."""
    parts = range(0, len(data), ENTRIES)
    return all(bool(np.isfinite(data[p : p + ENTRIES]).all()) for p in parts)


def _is_distinct(a: Compressed) -> bool:
    """Tell whether columns increase in every row, looking at some rows at a time."""
    first = 0
    while first < len(a.indptr) - 1:
        last = some_rows(a.indptr, first)
        indptr = a.indptr[first : last + 1]
        indices = a.indices[int(indptr[0]) : int(indptr[-1])]
        if not is_increasing(indices, indptr - indptr[0], strictly=True):
            return False
        first = last
    return True


def multiply(a: Compressed, b: Compressed, columns: int, bound: SpgemmBound) -> Compressed:
    """Return A @ B, canonical, for A and B in CSR's arrays, finite and without duplicates."""
    dtype = np.result_type(a.data, b.data)
    rows, inner = len(a.indptr) - 1, len(b.indptr) - 1
    panels = _Panels(a, b, columns, wide_dtype(dtype), dtype)
    result = Growing(*bound, dtype, index_dtype((rows, columns), 0))
    indptr = np.zeros(rows + 1, index_dtype((rows, columns), bound.stored))
    height = max(1, BYTES // (max(inner, columns) * panels.wide.itemsize))
    threads = usable_threads()
    for batch in range(0, rows, height * threads):
        firsts = range(batch, min(batch + height * threads, rows), height)
        parts: dict[int, Part] = {}

        def compute(first: int, parts: dict[int, Part] = parts) -> None:
            last = min(first + height, rows)
            parts[first] = panels.rows(first, last, indptr[first + 1 : last + 1])

        share(compute, firsts, threads)
        for first in firsts:
            values, cells = parts.pop(first)
            products = bound.products * min(height, rows - first) // rows
            data, indices = result.extend(len(cells), products)
            data[:], indices[:] = values, cells
    data, indices = result.arrays()
    return Compressed(data, indices, indptr.cumsum(out=indptr, dtype=indptr.dtype))


class _Panels(NamedTuple):
    """What all panels have in common: A, B, N, in what is summed, and the result's dtype."""

    a: Compressed
    b: Compressed
    columns: int
    wide: DType
    dtype: DType

    def rows(self, first: int, last: int, counts: Array) -> Part:
        """Return some rows of C, and write how many entries each has."""
        inner, shape = len(self.b.indptr) - 1, (last - first, self.columns)
        left, ones = _dense(self.a, first, last, inner, self.wide, "left")
        total, terms = np.zeros(shape, self.wide), np.zeros(shape, _ONE)
        step = max(1, BYTES // 4 // (self.columns * self.wide.itemsize))
        for k in range(0, inner, step):
            part = slice(k, min(k + step, inner))
            right, met = _dense(self.b, k, part.stop, self.columns, self.wide, "right")
            total += np.matmul(left[:, part], right)
            terms += np.matmul(ones[:, part], met)
        flat = np.flatnonzero(terms)
        start = np.arange(0, total.size, self.columns)
        counts[:] = np.diff(flat.searchsorted(start), append=len(flat))
        values = total.reshape(-1).take(flat).astype(self.dtype, copy=False)
        flat -= start.repeat(counts)
        return Part(values, flat)


def _dense(
    a: Compressed, first: int, last: int, columns: int, wide: DType, use: str
) -> tuple[Array, Array]:
    """Return rows as a dense matrix, and as one of ones where something is stored. In scratch."""
    shape = last - first, columns
    values = scratch(f"spgemm {use} values", shape, wide)
    ones = scratch(f"spgemm {use} ones", shape, _ONE)
    values.fill(0)
    ones.fill(0)
    indptr = a.indptr[first : last + 1]
    part = slice(int(indptr[0]), int(indptr[-1]))
    start = np.arange(0, shape[0] * columns, max(columns, 1))
    cell = start.repeat(indptr[1:] - indptr[:-1])
    cell += a.indices[part]
    values.reshape(-1)[cell] = a.data[part]
    ones.reshape(-1)[cell] = 1
    return values, ones
