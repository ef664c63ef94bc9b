"""C = A @ B by rows of C, for compressed storage: what CSR and, transposed, CSC do.

Row-wise order (Gustavson, ACM TOMS 4(3), 1978), some rows at a time: all their products are made
at once (``meeting.py``), and then added up, in one of two ways (``adding.py``). Groups of rows
are shared between threads, and what they give is put together in order. Where groups begin depends
on the operands alone, and so do the bits. Operands that are not so sparse are multiplied as dense
panels instead (``panels.py``).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.index import index_dtype
from minisparse.formats.compressed import Compressed
from minisparse.kernels.spgemm import panels
from minisparse.kernels.spgemm.adding import Part, Product
from minisparse.kernels.spgemm.bound import bound_of_meeting, bound_of_rows
from minisparse.kernels.spgemm.growing import Growing
from minisparse.kernels.spgemm.meeting import ENTRIES, Meeting, meet, some_rows
from minisparse.kernels.threads import share, usable_threads
from minisparse.kernels.wide import wide_dtype

PRODUCTS = 1 << 16
"""Products that are made at a time, unless one row has more."""
MOST = 1 << 18
"""Products that are made at a time, even so, at least ``PRODUCTS``: arrays of 2 MB a thread."""
WIDEST = 1 << 20
"""Columns of a row of more products that are summed at a time."""
BATCH = 1 << 20
"""Products whose sums may wait to be put together: with their columns 12 MB of float64."""
WORTH = 1 << 17
"""Products from which a second thread is worth its start."""
_ROWS = 1 << 12
_COLUMN_BITS = 31
"""Rows that are taken at a time at most, and columns: more have no room in words of 64 bits."""


def multiply(a: Compressed, b: Compressed, columns: int) -> Compressed:
    """Return A @ B, canonical, for A and B in CSR's arrays.

    Parameters
    ----------
    a, b : Compressed
        In any order within a row, duplicates and all.
    columns : int
        N.
    """
    if columns >> _COLUMN_BITS:  # those that B uses are numbered anew
        used, number = np.unique(b.indices, return_inverse=True)
        found = multiply(a, b._replace(indices=number), len(used))
        return found._replace(indices=used.take(found.indices))
    rows, meeting = len(a.indptr) - 1, None
    if len(a.indices) <= ENTRIES and rows <= ENTRIES:  # looked at once, for both
        meeting = meet(a, b)
        bound = bound_of_meeting(meeting.bounds, columns)
    else:
        bound = bound_of_rows(a, b, columns)
    if panels.is_worth_it(a, b, columns, bound):
        return panels.multiply(a, b, columns, bound)
    dtype = np.result_type(a.data, b.data)
    result = Growing(*bound, dtype, index_dtype((rows, columns), 0))
    product = Product(b, columns, wide_dtype(dtype), dtype)
    threads = usable_threads() if bound.products >= WORTH else 1
    indptr = np.zeros(rows + 1, index_dtype((rows, columns), bound.stored))
    if meeting is not None:
        _append(a, meeting, product, result, indptr[1:], threads)
    else:
        _append_some(a, product, result, indptr[1:], threads)
    data, indices = result.arrays()
    return Compressed(data, indices, indptr.cumsum(out=indptr, dtype=indptr.dtype))


class _Group(NamedTuple):
    """Some rows whose products are made at once."""

    first: int
    last: int
    products: int


def _groups(bounds: Array) -> Iterator[_Group]:
    """Cut rows into groups, given where the products of each row start."""
    first, last = 0, len(bounds) - 1
    while first < last:
        stop = int(bounds.searchsorted(bounds[first] + PRODUCTS, side="right")) - 1
        stop = min(max(stop, first + 1), first + _ROWS)
        products = int(bounds[stop] - bounds[first])
        if products:
            yield _Group(first, stop, products)
        first = stop


def _batches(groups: Iterator[_Group], most: int) -> Iterator[list[_Group]]:
    """Put groups of so many products together; a row of too many to be made at once comes alone."""
    batch: list[_Group] = []
    waiting = 0
    for group in groups:
        if batch and (waiting + group.products > most or group.products > MOST):
            yield batch
            batch, waiting = [], 0
        batch.append(group)
        waiting += group.products
        if group.products > MOST:
            yield batch
            batch, waiting = [], 0
    if batch:
        yield batch


def _append_some(
    a: Compressed, product: Product, result: Growing, counts: Array, threads: int
) -> None:
    """Append the rows of C, for as many rows of A at a time as scratch allows."""
    first = 0
    while first < len(counts):
        last = some_rows(a.indptr, first)
        some = a._replace(indptr=a.indptr[first : last + 1])
        if some.indptr[-1] - some.indptr[0] > ENTRIES:
            counts[first] = _append_long(some, product, result)
        else:
            meeting = meet(some, product.b)
            _append(some, meeting, product, result, counts[first:last], threads)
        first = last


def _append(
    a: Compressed,
    meeting: Meeting,
    product: Product,
    result: Growing,
    counts: Array,
    threads: int,
) -> None:
    """Append the rows of C for some rows of A, and write how many entries each has."""
    most = BATCH if threads > 1 else 0  # one thread puts away what is still in its cache
    for batch in _batches(_groups(meeting.bounds), most):
        first, _, products = batch[0]
        if products > MOST:
            long = a._replace(indptr=a.indptr[first : first + 2])
            counts[first] = _append_long(long, product, result)
            continue
        parts: dict[int, Part] = {}

        def add_up(group: _Group, parts: dict[int, Part] = parts) -> None:
            parts[group.first] = product.add_up(meeting, group.first, group.last, counts)

        share(add_up, batch, threads)
        for group in batch:
            values, columns = parts.pop(group.first)
            data, indices = result.extend(len(columns), group.products)
            data[:], indices[:] = values, columns


def _append_long(a: Compressed, product: Product, result: Growing) -> int:
    """Append the one row of C for a row of A, and return how many entries it has.

    It is cut into pieces: of A's entries, of their products, and of the columns of C.
    """
    stored, (start, stop) = result.filled, a.indptr.tolist()
    for first in range(0, product.columns, WIDEST):
        width = min(WIDEST, product.columns - first)
        total, met = np.zeros(width, product.wide), np.zeros(width, bool)
        for p in range(start, stop, ENTRIES):
            piece = np.array([p, min(p + ENTRIES, stop)])
            meeting = meet(a._replace(indptr=piece), product.b)
            for low in range(0, int(meeting.bounds[-1]), MOST):
                entries, high = meeting.part(low, low + MOST)
                made = product.make(meeting, entries, low, high)
                cell = made.columns.astype(np.intp)
                cell -= first
                here = np.flatnonzero((cell >= 0) & (cell < width))
                cell = cell.take(here)
                np.add.at(total, cell, made.values.take(here))
                met[cell] = True
        cells = np.flatnonzero(met)
        data, indices = result.extend(len(cells), 0)
        data[:], indices[:] = total.take(cells), cells + first
    return result.filled - stored
