"""Sampled products where arrays lie on a device: one way for all formats, entry by entry.

Rectangles, which BLAS computes in vain on a CPU, would have to be found by looking at the pattern.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix, Pattern
from minisparse.kernels.cells import with_values
from minisparse.kernels.entries import Entries, dots, entries_work, pack
from minisparse.kernels.kernel import Level, Work
from minisparse.ops import SDDMM, Attrs


def run(a: Entries, x: Array, y: Array) -> Matrix:
    """Return the matrix of ``a * (x @ y)``, stored as ``a`` is."""
    dtype = np.result_type(a.dtype, x.dtype, y.dtype)
    wide = accumulator(dtype)
    values = dots(a, x, y.T, wide)
    values *= a.data.astype(wide, copy=False)
    return with_values(a.matrix, a.stored(values.astype(dtype, copy=False)))


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of a row of X and a column of Y for each entry."""
    (result,) = SDDMM.infer(types)
    return entries_work(types[0], 2.0 * types[0].nnz * types[1].dims[1], result)


ON_DEVICE = Level(run, pack, work)
"""``C[m, n] = A[m, n] * sum_d X[m, d] * Y[d, n]`` where A stores anything."""
