"""Two sparse matrices cell by cell where they lie on a device: one list after the other, sorted.

Entries that share a cell come to stand side by side, those of the first matrix first. On a CPU the
two lists are merged; a sort is what a device does well (Merrill and Grimshaw, "High performance and
scalable radix sorting", Parallel Processing Letters 21(2), 2011). The host asks for one number: how
much the result stores.
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.xp import namespace
from minisparse.formats import BSR, COO, CSC, CSR, Matrix
from minisparse.formats.compressed import expand
from minisparse.gpu.segments import segment_sums
from minisparse.kernels.cells import each_cell_once
from minisparse.kernels.kernel import Level

Pair = CSR | CSC | BSR | COO


class _Sorted(NamedTuple):
    """The entries of two matrices by cell: line and place in it, and whether it is another cell."""

    data: Array
    major: Array
    minor: Array
    begins: Array


def _both(a: Matrix, b: Matrix) -> _Sorted:
    """Bring the entries of two matrices of one format together; of BSR the blocks."""
    xp = namespace(a.data)
    lines, places = zip(*(_cells(x) for x in (a, b)), strict=True)
    major, minor = xp.concatenate(lines), xp.concatenate(places)
    order = xp.argsort(minor, kind="stable")
    order = order[xp.argsort(major[order], kind="stable")]
    major, minor = major[order], minor[order]
    begins = xp.ones(len(order), bool)
    begins[1:] = (major[1:] != major[:-1]) | (minor[1:] != minor[:-1])
    return _Sorted(xp.concatenate([a.data, b.data])[order], major, minor, begins)


def _cells(a: Matrix) -> tuple[Array, Array]:
    if isinstance(a, COO):
        return a.row, a.col
    assert isinstance(a, CSR | CSC | BSR)
    return expand(a.indptr, count=len(a.indices)), a.indices


def _stored(a: Matrix, data: Array, major: Array, minor: Array) -> Matrix:
    """Return a matrix of a's format and shape of sorted entries."""
    if isinstance(a, COO):
        return COO._trusted(a.shape, data=data, row=major, col=minor)
    assert isinstance(a, CSR | CSC | BSR)
    xp = namespace(data)
    indptr = xp.searchsorted(major, xp.arange(len(a.indptr), dtype=major.dtype))
    return type(a)._trusted(a.shape, data=data, indices=minor, indptr=indptr)


def _sums(a: Matrix, b: Matrix) -> Matrix:
    """Return ``a + b``; what stands in one cell is added one by one, in stored order."""
    dtype = np.result_type(a.dtype, b.dtype)
    wide = accumulator(dtype) if dtype.kind not in "biu" else dtype
    data, major, minor, begins = _both(a, b)
    xp = namespace(data)
    starts = xp.flatnonzero(begins)
    bounds = xp.full(len(starts) + 1, len(data), np.int64)
    bounds[:-1] = starts
    total = segment_sums(data.astype(wide, copy=False), bounds).astype(dtype, copy=False)
    return _stored(a, total, major[starts], minor[starts])


def _products(a: Matrix, b: Matrix) -> Matrix:
    """Return ``a * b``: what both store, neither of them twice."""
    for x in (a, b):
        each_cell_once(x, "multiply")
    dtype = np.result_type(a.dtype, b.dtype)
    data, major, minor, begins = _both(a, b)
    second = namespace(data).flatnonzero(namespace(data).logical_not(begins))
    first = second - 1
    left, right = (data[x].astype(dtype, copy=False) for x in (first, second))
    return _stored(a, left * right, major[second], minor[second])


SUMS = Level(_sums)
PRODUCTS = Level(_products)
