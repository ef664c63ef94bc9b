"""Attention with a mask in COO: ``C[row[p]] += w[p] * V[col[p]]`` for every entry p.

``w`` is the softmax over each row of ``scale * data[p] * (Q[row[p]] . K[col[p]])``. The entries
of a row may lie anywhere, so all scores are needed before the first weight: what fusing spares
CSR. prepare sorts the entries by row, and then it is CSR.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Pattern
from minisparse.kernels.attention import rows
from minisparse.kernels.attention.on_device import ON_DEVICE
from minisparse.kernels.attention.threads import GPU_COO
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.ops import ATTENTION, Attrs
from minisparse.ops.attention import scale_of


def bytes_moved(mask: TensorType, q: TensorType, k: TensorType, v: TensorType) -> int:
    """Count mask, Q and C once, and a row of K and one of V per stored value."""
    near = q.size * q.itemsize + mask.dims[0] * v.dims[1] * v.itemsize
    far = mask.nnz * (k.dims[1] * k.itemsize + v.dims[1] * v.itemsize)
    return mask.nnz * (mask.itemsize + 2 * mask.index_itemsize) + near + far


def loops(mask: COO, q: Array, k: Array, v: Array, scale: float | None = None) -> Array:
    """Follow the formula in stored order, one multiply-add at a time."""
    dtype = np.result_type(mask.data, q, k, v)
    q, k, v = (x.astype(accumulator(dtype)) for x in (q, k, v))
    factor = q.dtype.type(scale_of(scale, q.shape[1]))
    w = np.zeros(len(mask.data), q.dtype)
    largest = np.full(mask.shape[0], -np.inf, q.dtype)
    total = np.zeros(mask.shape[0], q.dtype)
    c = np.zeros((mask.shape[0], v.shape[1]), q.dtype)
    for p in range(len(w)):
        m, n = mask.row[p], mask.col[p]
        for d in range(q.shape[1]):
            w[p] += q[m, d] * k[n, d]
        w[p] = w[p] * mask.data[p] * factor
        largest[m] = np.maximum(largest[m], w[p])
    for p in range(len(w)):
        m = mask.row[p]
        w[p] = np.exp(w[p] - largest[m])
        total[m] += w[p]
    for p in range(len(w)):
        m, n = mask.row[p], mask.col[p]
        w[p] /= total[m]
        for e in range(v.shape[1]):
            c[m, e] += w[p] * v[n, e]
    return c.astype(dtype)


def counts(mask: COO, q: Array, k: Array, v: Array, scale: float | None = None) -> Counts:
    """Count what the loops do: rows of Q, K, V and C, and their maxima and sums, by an index."""
    dtype, (m, d), e = np.result_type(mask.data, q, k, v), q.shape, v.shape[1]
    wide, of_rows = accumulator(dtype).itemsize, 6 if mask.nnz > 1 else 4  # one is read but once
    far = d * (q.itemsize + k.itemsize) + e * (v.itemsize + 2 * dtype.itemsize)
    return Counts(
        flops=mask.nnz * (2 * d + 6 + 2 * e),
        value_bytes=mask.data.nbytes + (mask.nnz + 2 * m) * wide + m * e * dtype.itemsize,
        index_bytes=mask.row.nbytes + mask.col.nbytes,
        gathered_bytes=mask.nnz * (far + of_rows * wide),
        scratch=(q.size + k.size + v.size + m * e + mask.nnz + 2 * m) * wide,
        calls=mask.nnz * (4 * d + 20 + 4 * e),
    )


def prepare(mask: COO, columns: int = 256) -> rows.Rows:
    """Sort the entries by row, and find rows to be computed together."""
    return rows.pack_rows(mask, mask.row, mask.col)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of rectangles where they pay, else of rows that gather their keys."""
    return rows.rows_work(types)


ATTENTION_COO = Kernel(
    ATTENTION,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(rows.run, prepare, work, takes_out=True, device=ON_DEVICE),
    gpu=GPU_COO,
    counts=counts,
)
