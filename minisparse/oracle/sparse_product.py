"""The exact answer of ``spgemm``, as the plain matrix that the sparse result stands for.

Cells that are not stored are exactly 0: there no entry of A meets one of B.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.oracle.choices import meant, products, result_dtype
from minisparse.oracle.products import add_implicit_zeros
from minisparse.oracle.profile import Profile
from minisparse.oracle.spgemm import exact_spgemm
from minisparse.oracle.truth import Truth

Operand = Array | Matrix | Triplets


def spgemm(operands: Sequence[Operand], attrs: Mapping[str, Any], profile: Profile) -> Truth:
    """Return ``a @ b``; of two plain arrays every cell is an entry."""
    a, b = operands
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        row, col = np.nonzero(a)
        entries = add_implicit_zeros(Triplets(row, col, a[row, col], (len(a), a.shape[1])), b)
        return products(entries, b, result_dtype(profile, a.dtype, b.dtype), profile).truth()
    found = exact_spgemm(_entries(a, profile), _entries(b, profile), profile)

    def placed(x: Array) -> Array:
        whole = np.zeros(found.shape, x.dtype)
        whole[found.row, found.col] = x
        return whole

    return found.values.map(placed)


def _entries(x: Operand, profile: Profile) -> Triplets:
    if isinstance(x, Matrix):
        x = x.triplets()
    if not isinstance(x, Triplets):
        row, col = np.indices(x.shape).reshape(2, -1)
        x = Triplets(row, col, x.reshape(-1), (x.shape[0], x.shape[1]))
    return meant(x, profile)
