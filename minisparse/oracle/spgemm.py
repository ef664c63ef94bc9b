"""The product of two sparse matrices, exactly: every pair of entries that meet is one term."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.products import add_implicit_zeros
from minisparse.oracle.profile import Profile
from minisparse.oracle.structures import SparseTruth, cells_of
from minisparse.oracle.sums import exact_products


def exact_spgemm(a: Triplets, b: Triplets, profile: Profile) -> SparseTruth:
    """Return what ``A @ B`` must be, as CSR arrays whose rows need not be sorted.

    A cell is stored where an entry of A meets one of B; a cell whose exact value is 0, because
    terms cancel or are zero themselves, may be left out.

    Parameters
    ----------
    a, b : Triplets
        ``[M, K]`` and ``[K, N]``, in any order, with duplicates.
    profile : Profile
        Where implicit zeros are computed with, the cells in which they make NaN may be stored
        too, and the others must be NaN there.
    """
    left, right = _meetings(a, b)
    shape = a.shape[0], b.shape[1]
    dtype = np.result_type(a.data.dtype, b.data.dtype)
    row, col, number = cells_of(Triplets(a.row[left], b.col[right], a.data[left], shape))
    if profile.implicit_zeros == "compute":
        dense = b.to_dense()
        every = exact_products(add_implicit_zeros(a, dense), dense, dtype).truth()
        stored = every.hi != 0  # NaN too
        stored[row, col] = True
        row, col = np.nonzero(stored)
        values = every.map(lambda x: x[row, col])
    else:
        slots = Triplets(number, right, a.data[left], (len(row), len(b.data)))
        values = exact_products(slots, b.data[:, None], dtype).truth().map(lambda x: x[:, 0])
    return SparseTruth("csr", shape, row, col, values, optional=values.hi == 0)


def _meetings(a: Triplets, b: Triplets) -> tuple[Array, Array]:
    """Return all pairs of slots, of A and of B, with A's column B's row."""
    order = np.argsort(b.row, kind="stable")
    count = np.bincount(b.row, minlength=b.shape[0])
    starts = np.cumsum(count) - count
    times = count[a.col]
    left = np.repeat(np.arange(len(a.col)), times)
    first = np.repeat(starts[a.col] - (np.cumsum(times) - times), times)
    return left, order[first + np.arange(len(left))]
