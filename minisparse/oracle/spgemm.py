"""The product of two sparse matrices, exactly: every pair of entries that meet is one term."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.bounds import is_vacuous
from minisparse.oracle.choices import meant, products, result_dtype
from minisparse.oracle.products import add_implicit_zeros
from minisparse.oracle.profile import Profile
from minisparse.oracle.structures import SparseTruth, cells_of
from minisparse.oracle.truth import Truth, parts


def exact_spgemm(a: Triplets, b: Triplets, profile: Profile) -> SparseTruth:
    """Return what ``A @ B`` must be, as CSR arrays whose rows need not be sorted.

    A cell is stored where an entry of A meets one of B. Where terms cancel or are zero themselves,
    so that a right value can be 0, the profile says whether the cell may be left out.

    Parameters
    ----------
    a, b : Triplets
        ``[M, K]`` and ``[K, N]``, in any order, with duplicates.
    profile : Profile
        Where implicit zeros are computed with, the cells in which they make NaN may be stored
        too, and the others must be NaN there.
    """
    a, b = meant(a, profile), meant(b, profile)
    left, right = _meetings(a, b)
    shape = a.shape[0], b.shape[1]
    dtype = result_dtype(profile, a.data.dtype, b.data.dtype)
    row, col, number = cells_of(Triplets(a.row[left], b.col[right], a.data[left], shape))
    if profile.implicit_zeros == "compute":
        dense = b.to_dense()
        every = products(add_implicit_zeros(a, dense), dense, dtype, profile).truth()
        stored = every.hi != 0  # NaN too
        stored[row, col] = True
        row, col = np.nonzero(stored)
        values = every.map(lambda x: x[row, col])
    else:
        slots = Triplets(number, right, a.data[left], (len(row), len(b.data)))
        sums = products(slots, b.data[:, None], dtype, profile)
        values = sums.truth().map(lambda x: x[:, 0])
    optional = _may_be_zero(values) & (profile.cancelled != "keep")
    if profile.cancelled == "drop":
        kept = ~((values.hi == 0) & (values.bound == 0))
        row, col, optional = row[kept], col[kept], optional[kept]
        values = values.map(lambda x: x[kept])
    return SparseTruth("csr", shape, row, col, values, optional)


def _may_be_zero(values: Truth) -> Array:
    """Tell where 0 is right: the exact value, or within the bound of it."""
    some = is_vacuous(parts(values.hi), parts(values.bound)) | (parts(values.hi) == 0)
    every: Array = some.all(axis=-1)
    return every


def _meetings(a: Triplets, b: Triplets) -> tuple[Array, Array]:
    """Return all pairs of slots, of A and of B, with A's column B's row."""
    order = np.argsort(b.row, kind="stable")
    count = np.bincount(b.row, minlength=b.shape[0])
    starts = np.cumsum(count) - count
    times = count[a.col]
    left = np.repeat(np.arange(len(a.col)), times)
    first = np.repeat(starts[a.col] - (np.cumsum(times) - times), times)
    return left, order[first + np.arange(len(left))]
