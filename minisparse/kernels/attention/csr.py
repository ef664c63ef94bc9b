"""Attention with a mask in CSR: ``C[m] = sum_p w[p] * V[n]`` over the entries p of row m, n theirs.

``w`` is the softmax over row m of ``scale * data[p] * (Q[m] . K[n])``. SDDMM, softmax and SpMM
of one row after another, so that scores and weights are used where they are made (Child et al.,
arXiv:1904.10509, 2019, for the idea; Dao et al., NeurIPS 2022, for the blocks of rows).
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Pattern
from minisparse.formats.compressed import expand
from minisparse.kernels.attention import rows
from minisparse.kernels.attention.on_device import ON_DEVICE
from minisparse.kernels.attention.threads import GPU
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.ops import ATTENTION, Attrs
from minisparse.ops.attention import scale_of


def bytes_moved(mask: TensorType, q: TensorType, k: TensorType, v: TensorType) -> int:
    """Count mask, Q and C once, and a row of K and one of V per stored value; no scores."""
    m = mask.dims[0]
    index_bytes = (m + 1 + mask.nnz) * mask.index_itemsize
    near = q.size * q.itemsize + m * v.dims[1] * v.itemsize
    far = mask.nnz * (k.dims[1] * k.itemsize + v.dims[1] * v.itemsize)
    return index_bytes + mask.nnz * mask.itemsize + near + far


def loops(mask: CSR, q: Array, k: Array, v: Array, scale: float | None = None) -> Array:
    """Follow the formula row by row, one multiply-add at a time."""
    dtype = np.result_type(mask.data, q, k, v)
    q, k, v = (x.astype(accumulator(dtype)) for x in (q, k, v))
    factor = q.dtype.type(scale_of(scale, q.shape[1]))
    w = np.zeros(len(mask.data), q.dtype)
    c = np.zeros((mask.shape[0], v.shape[1]), q.dtype)
    for m in range(mask.shape[0]):
        of_row = range(mask.indptr[m], mask.indptr[m + 1])
        largest = -np.inf
        for p in of_row:
            for d in range(q.shape[1]):
                w[p] += q[m, d] * k[mask.indices[p], d]
            w[p] = w[p] * mask.data[p] * factor
            largest = np.maximum(largest, w[p])
        total = q.dtype.type(0)
        for p in of_row:
            w[p] = np.exp(w[p] - largest)
            total += w[p]
        for p in of_row:
            w[p] /= total
            for e in range(v.shape[1]):
                c[m, e] += w[p] * v[mask.indices[p], e]
    return c.astype(dtype)


def counts(mask: CSR, q: Array, k: Array, v: Array, scale: float | None = None) -> Counts:
    """Count what the loops do: a row of K and one of V gathered for each entry."""
    dtype, (m, d), e = np.result_type(mask.data, q, k, v), q.shape, v.shape[1]
    wide, queries = accumulator(dtype).itemsize, int(np.count_nonzero(np.diff(mask.indptr)))
    return Counts(
        flops=mask.nnz * (2 * d + 6 + 2 * e),
        value_bytes=mask.data.nbytes
        + queries * d * q.itemsize
        + mask.nnz * wide
        + m * e * dtype.itemsize,
        index_bytes=mask.indptr.nbytes * (m > 0) + mask.indices.nbytes * (d + e > 0),
        gathered_bytes=mask.nnz * (d * k.itemsize + e * v.itemsize),
        scratch=(q.size + k.size + v.size + m * e + mask.nnz) * wide,
        calls=2 * m + mask.nnz * (5 * d + 9 + 5 * e),
    )


def prepare(mask: CSR, columns: int = 256) -> rows.Rows:
    """Find rows to be computed together."""
    return rows.pack_rows(mask, expand(mask.indptr), mask.indices)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of rectangles where they pay, else of rows that gather their keys."""
    return rows.rows_work(types)


ATTENTION_CSR = Kernel(
    ATTENTION,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(rows.run, prepare, work, takes_out=True, device=ON_DEVICE),
    gpu=GPU,
    counts=counts,
)
