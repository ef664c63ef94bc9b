"""SpMM on n:m: ``C[m, n] = sum_k A[m, k] * B[k, n]``, n of every m neighbors in a row of A stored.

Slot p of a row belongs to its group ``p // a.n``, and stands in its column ``positions[m, p]``.
GPUs have units that pick the right rows of B while they multiply (Mishra et al.,
arXiv:2104.08378); a CPU has none, and at 2:4, every second element stored, the dense product is
fastest there: prepare lets the row panels decide.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM, Pattern
from minisparse.kernels.counts import Counts, inside_groups, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm import panels, threads_nm
from minisparse.kernels.spmm.on_device import ON_DEVICE
from minisparse.kernels.spmm.packing import pack
from minisparse.kernels.spmm.rows import stored_rows
from minisparse.kernels.spmm.work import nm_columns, panel_work
from minisparse.ops import SPMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A with its positions once, one row of B per stored value, and C once."""
    n = b.dims[1]
    return a.nnz * (a.itemsize + a.index_itemsize) + (a.nnz + a.dims[0]) * n * b.itemsize


def loops(a: NM, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for p in range(a.data.shape[1]):
            k = p // a.n * a.m + int(a.positions[m, p])
            if k >= a.shape[1]:
                continue  # padding of a last group that reaches beyond the matrix
            for n in range(b.shape[1]):
                c[m, n] += a.data[m, p] * b[k, n]
    return c.astype(dtype)


def counts(a: NM, b: Array) -> Counts:
    """Count what the loops do: a row of B for each stored value that is no padding."""
    (m, n), dtype = (a.shape[0], b.shape[1]), np.result_type(a.data, b)
    stored = int(np.count_nonzero(inside_groups(a)))
    steps = stored * n
    return Counts(
        flops=2 * steps,
        value_bytes=stored * a.data.itemsize * (n > 0) + m * n * dtype.itemsize,
        index_bytes=a.positions.nbytes,
        gathered_bytes=steps * b.itemsize,
        scratch=widened_bytes(b, dtype, m * n),
        calls=a.nnz + 4 * steps,
    )


def prepare(a: NM, columns: int = 256) -> panels.Panels:
    """Pack the rows as panels; at 2:4 as one, which is dense."""
    return pack(stored_rows(a), unique=True, columns=columns)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the panels do; every row stores equally many values, padding included."""
    m, k = types[0].dims
    return panel_work(
        np.full(m, min(types[0].nnz // max(m, 1), k)), nm_columns(pattern, types[0]), types
    )


SPMM_NM = Kernel(
    SPMM,
    NM,
    bytes_moved,
    loops=loops,
    vectorized=Level(panels.run, prepare, work, fuses=True, device=ON_DEVICE),
    gpu=threads_nm.GPU,
    counts=counts,
)
