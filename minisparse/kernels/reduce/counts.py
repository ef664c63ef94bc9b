"""What the loops of reductions do: one walk over the entries, and what becomes of each result."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix
from minisparse.kernels.counts import Counts, inside_blocks, inside_groups
from minisparse.kernels.reduce.shapes import cells_in_each, kept_shape
from minisparse.kernels.wide import wide_dtype


class _Walk(NamedTuple):
    """A walk over stored entries.

    Attributes
    ----------
    entries : int
        How many there are, padding left out.
    touched : int
        For each reading of an index the results that are reached through it, all together.
    index_bytes, index_reads : int
        Of indices and pointers, each element once; and how often any of them is read.
    """

    entries: int
    touched: int
    index_bytes: int
    index_reads: int


def _walk(x: Matrix, kept: tuple[int, ...]) -> _Walk:
    if isinstance(x, COO):
        return _Walk(x.nnz, x.nnz, x.row.nbytes + x.col.nbytes, 2 * x.nnz)
    if isinstance(x, NM):
        inside = int(np.count_nonzero(inside_groups(x)))
        return _Walk(inside, inside, x.positions.nbytes, x.nnz)
    assert isinstance(x, CSR | CSC | BSR)
    lines = len(x.indptr) - 1
    index_bytes = x.indptr.nbytes * (lines > 0) + x.indices.nbytes
    if not isinstance(x, BSR):
        return _Walk(x.nnz, x.nnz, index_bytes, 2 * lines + x.nnz)
    heights, widths = inside_blocks(x)
    touched = int(np.minimum(heights, kept[0]) @ np.minimum(widths, kept[1]))
    return _Walk(int(heights @ widths), touched, index_bytes, 2 * lines + x.nnz)


def sum_counts(x: Matrix | Array, *, axes: Sequence[int] | None, keepdims: int) -> Counts:
    """Count what the loops of a sum do: a matrix's entries reach their results by an index."""
    kept = kept_shape(x.shape, axes)
    results, wide = math.prod(kept), wide_dtype(x.dtype)
    scratch = results * wide.itemsize if wide != x.dtype else 0
    if not isinstance(x, Matrix):
        moved = x.nbytes + results * x.itemsize
        return Counts(x.size, moved, 0, 0, scratch, calls=3 * x.size)
    walk, itemsize = _walk(x, kept), x.dtype.itemsize
    return Counts(
        flops=walk.entries,
        value_bytes=(walk.entries + results) * itemsize,
        index_bytes=walk.index_bytes,
        gathered_bytes=2 * walk.touched * itemsize,
        scratch=scratch,
        calls=walk.index_reads + 3 * walk.entries,
    )


def mean_counts(x: Matrix | Array, *, axes: Sequence[int] | None, keepdims: int) -> Counts:
    """Count what the loops of a mean do: those of a sum, and then one division of all results."""
    division = Counts(math.prod(kept_shape(x.shape, axes)), 0, 0, 0, 0, calls=1)
    return sum_counts(x, axes=axes, keepdims=keepdims) + division


def extreme_counts(x: Matrix | Array, *, axes: Sequence[int] | None, keepdims: int) -> Counts:
    """Count what the loops of a maximum or minimum do: of a matrix, they also count entries."""
    kept = kept_shape(x.shape, axes)
    results, itemsize = math.prod(kept), x.dtype.itemsize
    if not isinstance(x, Matrix):
        return Counts(0, x.nbytes + results * itemsize, 0, 0, 0, calls=3 * x.size)
    walk, counters = _walk(x, kept), np.dtype(int).itemsize
    entries = x.triplets()
    of_result = entries.row % kept[0] * kept[1] + entries.col % kept[1] if results else entries.row
    stored = np.bincount(of_result, minlength=results)
    unfilled = int(np.count_nonzero(stored < cells_in_each(x.shape, axes)))
    return Counts(
        flops=walk.entries,
        value_bytes=(walk.entries + results) * itemsize + results * counters,
        index_bytes=walk.index_bytes,
        gathered_bytes=2 * walk.touched * (itemsize + counters),
        scratch=results * counters,
        calls=walk.index_reads + 5 * walk.entries + results + 2 * unfilled,
    )
