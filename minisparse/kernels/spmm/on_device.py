"""Products with plain arrays that lie on a device: one way for all formats, on the entries."""

from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.entries import entries_work, multiply, pack
from minisparse.kernels.kernel import Level, Work
from minisparse.ops import SPMM, Attrs


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of a row of B for each entry."""
    (result,) = SPMM.infer(types)
    return entries_work(types[0], float(types[0].nnz * types[1].dims[1]), result)


ON_DEVICE = Level(multiply, pack, work, takes_out=True)
"""``C = A @ B``: see :mod:`minisparse.kernels.entries`."""
