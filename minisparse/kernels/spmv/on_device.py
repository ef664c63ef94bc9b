"""The product with a vector that lies on a device: one way for all formats, on the entries."""

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.entries import Entries, entries_work, multiply, pack
from minisparse.kernels.kernel import Level, Work
from minisparse.ops import SPMV, Attrs


def run(a: Entries, x: Array, out: Array | None = None) -> Array:
    """Return ``A @ x`` for x ``[K]``, as a product with one column."""
    y = multiply(a, x[:, None], None if out is None else out[:, None])
    return y[:, 0] if out is None else out


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of an element of x for each entry."""
    (result,) = SPMV.infer(types)
    return entries_work(types[0], float(types[0].nnz), result)


ON_DEVICE = Level(run, pack, work, takes_out=True)
"""``y = A @ x``: see :mod:`minisparse.kernels.entries`."""
