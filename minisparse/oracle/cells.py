"""Values of stored entries as the cells of a matrix: what ``to_dense`` makes of a sparse result."""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle import bounds
from minisparse.oracle.errorfree import two_sum
from minisparse.oracle.problem import cell_numbers
from minisparse.oracle.truth import Truth, by_parts, wrapped


def in_cells(entries: Triplets, values: Truth) -> Truth:
    """Return the matrix ``[M, N]``: 0 where nothing is stored, duplicates added up.

    The sum of k entries of a cell errs by what they err, E each, and by ``(k - 1) u sum(abs(a) +
    E)`` in the result's own dtype, in which ``to_dense`` adds (Higham, section 4.2; any order).

    Parameters
    ----------
    entries : Triplets
        Where the entries are.
    values : Truth
        Of shape ``(nnz,)``, in the order of the entries.

    Examples
    --------
    >>> from minisparse.oracle.truth import from_array
    >>> twice = Triplets(np.array([0, 0]), np.array([1, 1]), np.zeros(2), (1, 2))
    >>> in_cells(twice, from_array(np.array([2.0, 3.0]))).hi
    array([[0., 5.]])
    """
    cell = cell_numbers(entries)
    shape = entries.shape
    cells = shape[0] * shape[1]
    some = np.zeros(cells, bool)
    some[cell[values.may_overflow]] = True
    total = np.zeros(cells, values.hi.dtype)
    with np.errstate(all="ignore"):
        np.add.at(total, cell, values.hi)
        if values.is_integer:
            zero = np.zeros_like(total)
            found = Truth(wrapped(total, values.dtype), zero, zero, some, values.dtype)
        else:
            found = _summed(cell, values, replace(values, hi=total, may_overflow=some))
    return found.map(lambda x: x.reshape(shape))


def _summed(cell: Array, values: Truth, plain: Truth) -> Truth:
    """Return sums with their rounding errors kept, one entry of every cell at a time."""
    hi, lo, error, size = (np.zeros_like(plain.hi) for _ in range(4))
    count = np.bincount(cell, minlength=len(hi))
    for slots in _by_rank(cell):
        at = cell[slots]
        hi[at], more = two_sum(hi[at], values.hi[slots])
        lo[at] += more + values.lo[slots]
        error[at] += values.bound[slots]
        size[at] += by_parts(np.abs, values.hi[slots]) + values.bound[slots]
    finite = np.isfinite(plain.hi)
    u = bounds.unit_roundoff(values.dtype)
    bound = by_parts(
        lambda e, s: np.where(finite, np.where(count > 1, e + 1.001 * (count - 1) * u * s, e), 0),
        error,
        size,
    )
    largest = bounds.largest_finite(values.dtype)
    beyond = by_parts(lambda s: 1.0 * (s >= largest), size) != 0
    overflow = plain.may_overflow | (beyond & (count > 1))
    return Truth(
        np.where(finite, hi, plain.hi), np.where(finite, lo, 0), bound, overflow, values.dtype
    )


def _by_rank(cell: Array) -> list[Array]:
    """Return the slots of the first entry of each cell, then of the second, and so on."""
    order = np.argsort(cell, kind="stable")
    found = cell[order]
    rank = np.arange(len(found)) - np.searchsorted(found, found)
    return [order[rank == r] for r in range(int(rank.max(initial=-1)) + 1)]
