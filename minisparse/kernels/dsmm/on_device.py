"""Dense times sparse where arrays lie on a device: ``C^T = A^T @ B^T``, written to C transposed."""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import namespace
from minisparse.formats import Pattern
from minisparse.kernels.entries import Entries, entries_work, multiply, pack_columns
from minisparse.kernels.kernel import Level, Work
from minisparse.ops import DSMM, Attrs


def run(b: Array, a: Entries, out: Array | None = None) -> Array:
    """Return ``B @ A`` for B ``[N, M]``, A packed by columns."""
    dtype = np.result_type(b.dtype, a.dtype)
    c = namespace(b).empty((len(b), a.shape[0]), dtype) if out is None else out
    multiply(a, b.T, c.T)
    return c


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of a column of B for each entry."""
    (result,) = DSMM.infer(types)
    return entries_work(types[1], float(types[1].nnz * types[0].dims[0]), result)


ON_DEVICE = Level(run, pack_columns, work, takes_out=True)
"""``C = B @ A``: see :mod:`minisparse.kernels.entries`."""
