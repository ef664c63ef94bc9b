"""Softmax of the stored entries of each row where they lie on a device: one way for all formats."""

from minisparse.core.dtypes import accumulator
from minisparse.formats import Matrix
from minisparse.kernels.cells import with_values
from minisparse.kernels.entries import Entries, pack, softmax
from minisparse.kernels.kernel import Level


def run(a: Entries, *, axis: int = -1) -> Matrix:
    """Return the softmax of each row, padding left out."""
    scores = a.data.astype(accumulator(a.dtype), copy=False)
    weights = softmax(a, scores).astype(a.dtype, copy=False)
    return with_values(a.matrix, a.stored(weights))


ON_DEVICE = Level(run, pack)
"""Segmented maxima and sums: see :mod:`minisparse.kernels.entries`."""
