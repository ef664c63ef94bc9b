"""Attention with a mask that stores every element: ``C = softmax(scale * mask * (Q @ K.T)) @ V``.

Some rows after another, so that their scores are still near when they are used: the blocks of
FlashAttention (Dao et al., NeurIPS 2022) without those of columns.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.attention.blocks import new_result, vectors
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.softmax.runs import softmax_in_place
from minisparse.ops import ATTENTION
from minisparse.ops.attention import scale_of

CELLS = 1 << 18
"""Scores that are held at once."""


def bytes_moved(mask: TensorType, q: TensorType, k: TensorType, v: TensorType) -> int:
    """Count every operand and C once; no scores."""
    result = mask.dims[0] * v.dims[1] * v.itemsize
    return result + sum(x.size * x.itemsize for x in (mask, q, k, v))


def loops(mask: Array, q: Array, k: Array, v: Array, scale: float | None = None) -> Array:
    """Follow the formula row by row, one multiply-add at a time."""
    dtype = np.result_type(mask, q, k, v)
    q, k, v = (x.astype(accumulator(dtype)) for x in (q, k, v))
    factor = q.dtype.type(scale_of(scale, q.shape[1]))
    c = np.zeros((mask.shape[0], v.shape[1]), q.dtype)
    for m in range(mask.shape[0]):
        w = np.zeros(mask.shape[1], q.dtype)
        largest, total = -np.inf, q.dtype.type(0)
        for n in range(mask.shape[1]):
            for d in range(q.shape[1]):
                w[n] += q[m, d] * k[n, d]
            w[n] = w[n] * mask[m, n] * factor
            largest = np.maximum(largest, w[n])
        for n in range(mask.shape[1]):
            w[n] = np.exp(w[n] - largest)
            total += w[n]
        for n in range(mask.shape[1]):
            for e in range(v.shape[1]):
                c[m, e] += w[n] / total * v[n, e]
    return c.astype(dtype)


def counts(mask: Array, q: Array, k: Array, v: Array, scale: float | None = None) -> Counts:
    """Count what the loops do: a row's weights are made while those before it still stand."""
    dtype, (m, n), d, e = np.result_type(mask, q, k, v), mask.shape, q.shape[1], v.shape[1]
    wide, weights = accumulator(dtype).itemsize, min(m, 2) * n
    read = mask.nbytes + q.nbytes * (n > 0) + (k.nbytes + v.nbytes) * (m > 0)
    return Counts(
        flops=mask.size * (2 * d + 5 + 3 * e),
        value_bytes=read + weights * wide + m * e * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=(q.size + k.size + v.size + m * e + weights) * wide,
        calls=mask.size * (4 * d + 7 + 4 * e),
    )


def vectorized(
    mask: Array, q: Array, k: Array, v: Array, scale: float | None = None, out: Array | None = None
) -> Array:
    """Compute some rows after another."""
    given = vectors(mask.dtype, q, k, v, scale)
    out = new_result(mask.dtype, q, k, v) if out is None else out
    k, v = (x.astype(given.dtype, copy=False) for x in (given.k, given.v))
    step = max(1, CELLS // max(mask.shape[1], 1))
    for m in range(0, len(mask), step):
        rows = slice(m, m + step)
        scores = np.matmul(given.q[rows].astype(given.dtype, copy=False), k.T)
        scores *= mask[rows].astype(given.dtype, copy=False)
        scores *= given.scale
        softmax_in_place(scores)
        out[rows] = np.matmul(scores, v)
    return out


ATTENTION_DENSE = Kernel(
    ATTENTION,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(ATTENTION)),
    counts=counts,
)
