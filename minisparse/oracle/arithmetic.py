"""Exact sums and products of two operands, element by element or cell by cell.

Cells of a sparse sum are sums of all entries of both matrices; a cell of a sparse product is there
where both store one, and nothing is computed beside a cell that is not stored (rule S1).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.oracle import elementwise
from minisparse.oracle.choices import meant, products
from minisparse.oracle.problem import cell_numbers
from minisparse.oracle.profile import Profile
from minisparse.oracle.truth import Truth, from_array

Operand = Array | Matrix | Triplets


def add(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return ``a + b``; of two sparse matrices every entry is a term, duplicates too."""
    if all(isinstance(x, np.ndarray) for x in operands):
        return elementwise.add(*(from_array(x) for x in operands if isinstance(x, np.ndarray)))
    entries = [meant(_triplets(x), profile) for x in operands]
    dtype = np.result_type(*(e.data for e in entries))
    shape = entries[0].shape
    cell = np.concatenate([cell_numbers(e) for e in entries])
    data = np.concatenate([e.data.astype(dtype) for e in entries])
    flat = Triplets(cell, np.zeros_like(cell), data, (shape[0] * shape[1], 1))
    sums = products(flat, np.ones((1, 1), dtype), dtype, profile)
    return sums.map(lambda y: y.reshape(shape)).truth()


def multiply(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return ``a * b``: one product and one rounding for each element."""
    arrays = [x if isinstance(x, np.ndarray) else _triplets(x).to_dense() for x in operands]
    dtype = np.result_type(*arrays)
    a, b = np.broadcast_arrays(*arrays)
    if profile.implicit_zeros != "compute":
        there = np.ones(a.shape, bool)
        for x in operands:
            if not isinstance(x, np.ndarray):
                there &= _stored(_triplets(x))
        a, b = (np.where(there, x, x.dtype.type(0)) for x in (a, b))
    each = np.arange(a.size)
    diagonal = Triplets(each, each, a.reshape(-1), (a.size, a.size))
    sums = products(diagonal, b.reshape(-1, 1), dtype, profile)
    return sums.map(lambda y: y.reshape(a.shape)).truth()


def _triplets(x: Operand) -> Triplets:
    """Return the entries of an operand; every cell of a plain matrix is one."""
    if isinstance(x, Matrix):
        return x.triplets()
    if isinstance(x, Triplets):
        return x
    row, col = np.indices(x.shape).reshape(2, -1)
    return Triplets(row, col, x.reshape(-1), (x.shape[0], x.shape[1]))


def _stored(entries: Triplets) -> Array:
    """Tell of each cell whether it is stored."""
    there = np.zeros(entries.shape, bool)
    there[entries.row, entries.col] = True
    return there
