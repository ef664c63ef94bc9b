"""Two sparse matrices cell by cell, as ``add`` and ``multiply`` need them."""

import numpy as np

from minisparse.core.dtypes import DType, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.core.triplets import Triplets
from minisparse.formats import Matrix
from minisparse.formats.structure.merging import product_of, sum_of
from minisparse.kernels.cells import each_cell_once


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count both with their indices once, and a result of as many entries as both."""
    return 2 * sum(t.nnz * t.itemsize + t.nnz * t.index_itemsize for t in (a, b))


def sums(a: Matrix, b: Matrix) -> Matrix:
    """Return ``a + b``: a merge where both are canonical, else a sort of all entries together.

    Entries that stand in one cell are added one by one, those of a first, in their stored order.
    """
    dtype = np.result_type(a.dtype, b.dtype)
    if a.has_canonical_format and b.has_canonical_format:
        return sum_of(a, b, dtype)
    wide = accumulator(dtype) if dtype.kind not in "biu" else dtype
    left, right = _entries(a, wide), _entries(b, wide)
    row, col, data = (np.concatenate([getattr(x, n) for x in (left, right)]) for n in
                      ("row", "col", "data"))  # fmt: skip
    found = a._from_triplets(Triplets(row, col, data, a.shape), a.block)
    return found if dtype == wide else found.with_data(found.data.astype(dtype))


def _entries(a: Matrix, dtype: DType) -> Triplets:
    entries = a.triplets()
    return entries._replace(data=entries.data.astype(dtype, copy=False))


def products(a: Matrix, b: Matrix) -> Matrix:
    """Return ``a * b`` by a merge; what is not sorted is sorted first."""
    for x in (a, b):
        each_cell_once(x, "multiply")
    return product_of(a.canonical(), b.canonical(), np.result_type(a.dtype, b.dtype))
