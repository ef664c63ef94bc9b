"""Products with the transpose where arrays lie on a device: A's entries in the order of columns."""

from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.entries import entries_work, multiply, pack_columns
from minisparse.kernels.kernel import Level, Work
from minisparse.ops import SPMM_T, Attrs


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of a row of B for each entry."""
    (result,) = SPMM_T.infer(types)
    return entries_work(types[0], float(types[0].nnz * types[1].dims[1]), result)


ON_DEVICE = Level(multiply, pack_columns, work, takes_out=True)
"""``C = A^T @ B``: see :mod:`minisparse.kernels.entries`."""
