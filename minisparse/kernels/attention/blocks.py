"""A few queries at once: their scores, the softmax of these, and the weighted sum of values.

Between the three nothing leaves the cache, and no more of the score matrix is ever there than one
block of rows has: the idea of FlashAttention (Dao et al., "FlashAttention: fast and
memory-efficient exact attention with IO-awareness", NeurIPS 2022), on a CPU. Unlike there a row's
scores are all kept until its largest is known, so that no sum has to be scaled again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.kernel import Work
from minisparse.kernels.scratch import scratch
from minisparse.kernels.sddmm.lines import gather, lines_of
from minisparse.kernels.softmax.runs import softmax_in_place
from minisparse.kernels.threads import usable_threads
from minisparse.kernels.wide import all_finite, wide_dtype
from minisparse.ops.attention import scale_of

AT_ONCE = 1 << 17
"""Elements of K or V, or scores, that are held at once: half of a level-2 cache in float32."""
SHARED = 1 << 22
"""From so many multiply-adds on, threads share the blocks; below, to hand them over costs more."""


class Vectors(NamedTuple):
    """The plain operands of attention, in the dtype in which sums are accumulated.

    Attributes
    ----------
    q, k, v : ndarray, shape (M, D), (N, D), (N, E)
        Row by row in memory, unless too large to copy.
    scale : ndarray
        The factor of the scores, a number of that dtype.
    dtype : numpy.dtype
        That in which sums are accumulated.
    v_is_finite : bool
        Whether a weight of 0 makes 0 of whatever it meets.
    """

    q: Array
    k: Array
    v: Array
    scale: Array
    dtype: DType
    v_is_finite: bool


def vectors(mask_dtype: DType, q: Array, k: Array, v: Array, scale: float | None) -> Vectors:
    """Return the operands as the kernels want them."""
    wide = wide_dtype(mask_dtype, q.dtype, k.dtype, v.dtype)
    factor = wide.type(scale_of(scale, q.shape[1]))
    q, k, v = (lines_of(x, wide) for x in (q, k, v))
    return Vectors(q, k, v, factor, wide, all_finite(v))


def new_result(mask_dtype: DType, q: Array, k: Array, v: Array) -> Array:
    """Return an array for the result, zero as rows without entries are."""
    return np.zeros((len(q), v.shape[1]), np.result_type(mask_dtype, q, k, v))


def threads_for(given: Vectors, stored: int) -> int:
    """Return how many threads share the work for so many stored scores."""
    effort = stored * (given.q.shape[1] + given.v.shape[1])
    return usable_threads() if effort >= SHARED else 1


def queries_at_once(given: Vectors, height: int, keys: int) -> int:
    """Return how many blocks of ``height`` queries, each with so many keys, fit at once."""
    widest: int = max(given.q.shape[1], given.v.shape[1], height)
    return max(1, AT_ONCE // max(keys * widest, 1))


def attend(
    given: Vectors, queries: Array, keys: Array, factors: Array, outside: Array | None
) -> Array:
    """Return ``softmax(scale * factors * (q @ k.T)) @ v`` for blocks of queries, ``[P, r, E]``.

    Parameters
    ----------
    given : Vectors
        Q, K and V.
    queries : ndarray of intp, shape (P, r)
        Rows of Q; those of a block look at the same keys.
    keys : ndarray of intp, shape (P, L)
        Rows of K and V.
    factors : ndarray, shape (P, r, L)
        The mask's values there.
    outside : ndarray of bool, shape (P, L), or None
        Which keys are none, but fill up; their numbers are valid all the same.
    """
    q = given.q[queries].astype(given.dtype, copy=False)
    blocks, height, depth = q.shape
    scores = scratch("scores", factors.shape, given.dtype)
    width = given.v.shape[1]
    lines = max(1, AT_ONCE // max(blocks * max(depth, width), 1))
    for part in _parts(keys.shape[1], lines):
        near = gather("keys and values", given.k, keys[:, part], given.dtype)
        np.matmul(q, near.transpose(0, 2, 1), out=scores[:, :, part])
    scores *= factors
    scores *= given.scale
    if outside is not None:
        np.copyto(scores, -np.inf, where=outside[:, None, :])
    softmax_in_place(scores)
    found = np.zeros((blocks, height, width), given.dtype)
    for part in _parts(keys.shape[1], lines):
        near = gather("keys and values", given.v, keys[:, part], given.dtype)
        if outside is not None and not given.v_is_finite:
            near[outside[:, part]] = 0
        found += np.matmul(scores[:, :, part], near)
    return found


def _parts(length: int, step: int) -> Iterator[slice]:
    """Yield slices of at most ``step``."""
    for first in range(0, length, step):
        yield slice(first, min(first + step, length))


def attention_work(types: tuple[TensorType, ...], gathered: float, height: int) -> Work:
    """Return the work of blocks of ``height`` queries, for which so many rows are gathered.

    Parameters
    ----------
    types : tuple of TensorType
        Of mask, Q, K and V.
    gathered : float
        Rows of K, and as many of V.
    height : int
        Queries of a block.
    """
    mask, q, _, v = types
    depth, width = q.dims[1], v.dims[1]
    elements = gathered * (depth + width)
    calls = 20.0 * (1 + elements / (2 * AT_ONCE))
    moved = (2 * elements + 8.0 * mask.nnz + q.size + v.size) * q.itemsize
    flops = 2.0 * mask.nnz * (depth + width + 7)
    return Work(flops, moved, elements, calls, efficiency=min(1.0, 0.3 * height))
