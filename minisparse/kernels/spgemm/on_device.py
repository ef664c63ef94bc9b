"""SpGEMM where arrays lie on a device: all products, sorted by cell, and segmented sums.

Expand, sort, compress (Bell, Dalton and Olson, "Exposing fine-grained parallelism in algebraic
multigrid methods", SIAM J. Sci. Comput. 34(4), 2012): every entry of A meets the entries of a row
of B, whose number is looked up; the products are sorted by their cell of C, which keeps the order
in which they came, ascending in k where A is sorted; and those of a cell are added up. It holds all
products at once.

The host asks the device for two numbers: how many products there are, and how many cells.
"""

from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.index import index_dtype
from minisparse.core.xp import namespace
from minisparse.formats import BSR, COO, CSC, CSR
from minisparse.formats.compressed import expand
from minisparse.gpu.segments import segment_sums
from minisparse.kernels.entries import pack
from minisparse.kernels.kernel import Level
from minisparse.kernels.wide import wide_dtype


class _Rows(NamedTuple):
    """Lines of a matrix: the row and the column of each value, or block, and where rows start."""

    data: Array
    row: Array
    col: Array
    indptr: Array


class _Cells(NamedTuple):
    """The cells of C that any product belongs to, by rows."""

    values: Array
    row: Array
    col: Array
    indptr: Array


def _product(a: _Rows, b: _Rows, rows: int, columns: int, wide: Any) -> _Cells:
    """Return the cells of A @ B, their values still in the dtype in which they were summed."""
    xp = namespace(a.data)
    met = (b.indptr[1:] - b.indptr[:-1]).astype(np.int64)[a.col]
    ends = met.cumsum()
    total = int(ends[-1]) if len(met) else 0
    number = xp.arange(total)
    left = xp.searchsorted(ends, number, side="right")
    right = b.indptr[a.col[left]] + (number - (ends - met)[left])
    row, col = a.row[left], b.col[right]
    order = xp.argsort(col, kind="stable")  # two stable sorts: by row, and by column within
    order = order[xp.argsort(row[order], kind="stable")]
    row, col = row[order], col[order]
    first = xp.ones(total, bool)
    first[1:] = (row[1:] != row[:-1]) | (col[1:] != col[:-1])
    starts = xp.flatnonzero(first)
    near = a.data[left[order]].astype(wide, copy=False)
    far = b.data[right[order]].astype(wide, copy=False)
    products = near * far if near.ndim == 1 else xp.matmul(near, far)
    bounds = xp.full(len(starts) + 1, total, np.int64)
    bounds[:-1] = starts
    row, col = row[starts], col[starts]
    indptr = xp.searchsorted(row, xp.arange(rows + 1, dtype=row.dtype))
    return _Cells(segment_sums(products, bounds), row, col, indptr)


def _rows(a: CSR | COO) -> _Rows:
    entries = pack(a)
    return _Rows(entries.data, entries.row, entries.col, entries.indptr)


def _csr(a: CSR, b: CSR) -> CSR:
    shape, dtype = (a.shape[0], b.shape[1]), np.result_type(a.dtype, b.dtype)
    c = _product(_rows(a), _rows(b), *shape, wide_dtype(dtype))
    data = c.values.astype(dtype, copy=False)
    return CSR._trusted(shape, data=data, indices=c.col, indptr=c.indptr)


def _csc(a: CSC, b: CSC) -> CSC:
    """Multiply the transposes, which are CSR: ``C^T = B^T @ A^T``."""
    turned: CSC = _csr(b.T, a.T).T
    return turned


def _coo(a: COO, b: COO) -> COO:
    shape, dtype = (a.shape[0], b.shape[1]), np.result_type(a.dtype, b.dtype)
    c = _product(_rows(a), _rows(b), *shape, wide_dtype(dtype))
    return COO._trusted(shape, data=c.values.astype(dtype, copy=False), row=c.row, col=c.col)


def _bsr(a: BSR, b: BSR) -> BSR:
    """Multiply blocks for numbers; what blocks of C hold beyond the matrix is zeroed."""
    shape, dtype = (a.shape[0], b.shape[1]), np.result_type(a.dtype, b.dtype)
    (r, _), (_, s) = a.block, b.block
    grid = -(-shape[0] // r), -(-shape[1] // s)
    left, right = (
        _Rows(x.data, expand(x.indptr, count=len(x.indices)), x.indices, x.indptr) for x in (a, b)
    )
    c = _product(left, right, *grid, wide_dtype(dtype))
    data, xp = c.values.astype(dtype, copy=False), namespace(a.data)
    if shape[0] % r or shape[1] % s:
        width = index_dtype((shape[0] + r, shape[1] + s), 0)
        row = (c.row.astype(width) * r)[:, None, None] + xp.arange(r, dtype=width)[:, None]
        col = (c.col.astype(width) * s)[:, None, None] + xp.arange(s, dtype=width)
        data = xp.where((row < shape[0]) & (col < shape[1]), data, dtype.type(0))
    return BSR._trusted(shape, data=data, indices=c.col, indptr=c.indptr)


ON_DEVICE = {"csr": Level(_csr), "csc": Level(_csc), "coo": Level(_coo), "bsr": Level(_bsr)}
"""One way, for each format that has one."""
