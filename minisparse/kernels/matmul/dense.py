"""``C[..., m, n] = sum_k A[..., m, k] B[..., k, n]``, by as few and as large calls as there can be.

A stack times one matrix is one product of all rows. Of two stacks NumPy hands BLAS one pair after
another, each too small to be shared between its threads, so the stacks are shared between ours.
"""

from functools import partial
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.core.xp import asarray
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Finish, Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.threads import share, usable_threads
from minisparse.kernels.wide import common_dtype, wide_dtype, widen
from minisparse.ops.matmul import MATMUL
from minisparse.ops.op import Attrs

_SHARED = 1 << 22
"""Multiply-adds from which another thread pays."""
FINISHED = 1 << 17
"""Elements that are finished at once: they fit a core's own cache."""


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A, B and C once each."""
    (c,) = MATMUL.infer((a, b))
    return sum(t.size * t.itemsize for t in (a, b, c))


def loops(a: Array, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = common_dtype(a, b)
    rows, columns = a.shape[-2:-1], b.shape[1:] if b.ndim == 1 else b.shape[-1:]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = widen(a, b)
    c = np.zeros((*stack, *rows, *columns), a.dtype)
    for at in np.ndindex(c.shape):
        near = at[: len(stack)]
        row, column = at[len(stack) : len(stack) + len(rows)], at[len(stack) + len(rows) :]
        left = _near(near, a.shape[:-2]) + row
        right = _near(near, b.shape[:-2])
        for k in range(a.shape[-1]):
            c[at] += a[*left, k] * b[*right, k, *column]
    return c.astype(dtype)


def _near(at: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return where in a stack of a shape the matrix lies that meets others at ``at``."""
    last = at[len(at) - len(shape) :]
    return tuple(i if length > 1 else 0 for i, length in zip(last, shape, strict=True))


def counts(a: Array, b: Array) -> Counts:
    """Count what the loops do."""
    dtype, wide = np.result_type(a, b), wide_dtype(a, b)
    results, k = np.matmul(np.empty(a.shape, bool), np.empty(b.shape, bool)).size, a.shape[-1]
    steps = results * k
    widened = sum(x.size for x in (a, b) if x.dtype != wide)
    return Counts(
        flops=2 * steps,
        value_bytes=(a.nbytes + b.nbytes) * (results > 0) + results * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=(widened + results) * wide.itemsize,
        calls=4 * steps,
    )


def vectorized(
    a: Array, b: Array, *, out: Array | None = None, finish: Finish | None = None
) -> Array:
    """Call BLAS in the accumulator's dtype, round once, and finish some rows after another."""
    dtype = common_dtype(a, b)
    a, b = widen(a, b)
    into = out if out is not None and out.dtype == a.dtype else None
    if into is not None and (np.may_share_memory(a, into) or np.may_share_memory(b, into)):
        into = None
    c = product(a, b, into).astype(dtype, copy=False)
    if finish is not None:
        finish_in_parts(c, finish)
    if out is None or c is out:
        return c
    out[...] = c
    return out


def finish_in_parts(c: Array, finish: Finish) -> None:
    """Finish a whole product in place, in parts along its longest axis but the last.

    Parts that stay in a cache, on as many threads as there are. To multiply part by part as well
    would take longer: BLAS packs the other factor anew for each.
    """
    lengths = c.shape[:-1] or c.shape
    if not lengths:
        finish(c, ())
        return
    axis, threads = lengths.index(max(lengths)), usable_threads() if c.size >= FINISHED else 1

    def one(part: slice) -> None:
        index = tuple(part if i == axis else slice(0, n) for i, n in enumerate(c.shape))
        finish(c[index], index)

    step = max(1, lengths[axis] * FINISHED // max(c.size, 1))
    bounds = range(0, lengths[axis], step)
    share(one, [slice(i, min(i + step, lengths[axis])) for i in bounds], threads)


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a @ b`` of two arrays of one dtype, in that dtype.

    Examples
    --------
    >>> product(np.ones((2, 3, 4)), np.ones((4, 5))).shape
    (2, 3, 5)
    """
    if a.ndim < 2 or b.ndim < 2:
        return asarray(np.matmul(a, b, out=out))
    a, b = _for_blas(a), _for_blas(b)
    if b.ndim == 2 and a.ndim > 2:
        return _rows_at_once(a, b, out)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    steps = a.shape[-2] * a.shape[-1] * b.shape[-1] * int(np.prod(stack, dtype=np.int64))
    threads = usable_threads()
    if not stack or max(stack) < threads or threads == 1 or steps < _SHARED:
        return asarray(np.matmul(a, b, out=out))
    c = np.empty((*stack, a.shape[-2], b.shape[-1]), a.dtype) if out is None else out
    axis = stack.index(max(stack)) - len(stack) - 2
    share(partial(_one_part, a, b, c, axis), _parts(max(stack), threads), threads)
    return c


def _rows_at_once(a: Array, b: Array, out: Array | None) -> Array:
    """Return a stack times one matrix: all its rows at once."""
    c = np.empty((*a.shape[:-1], b.shape[1]), a.dtype) if out is None else out
    rows = int(np.prod(a.shape[:-1], dtype=np.int64))
    flat = c.reshape(rows, b.shape[1])
    np.matmul(a.reshape(rows, a.shape[-1]), b, out=flat)
    if not np.may_share_memory(flat, c):  # c lies in no order in which its rows are rows
        c[...] = flat.reshape(c.shape)
    return c


def _parts(length: int, threads: int) -> list[slice]:
    """Cut a stack so that each thread takes some parts."""
    step = max(1, length // (4 * threads))
    return [slice(i, i + step) for i in range(0, length, step)]


def _one_part(a: Array, b: Array, c: Array, axis: int, part: slice) -> None:
    """Multiply a part of two stacks along an axis, counted from the end."""
    index: tuple[Any, ...] = (..., part, *[slice(None)] * (-axis - 1))

    def cut(x: Array) -> Array:
        whole = x.ndim < -axis or x.shape[axis] == 1 < c.shape[axis]
        return x if whole else x[index]

    np.matmul(cut(a), cut(b), out=cut(c))


def _for_blas(x: Array) -> Array:
    """Return a stack of matrices whose rows or columns lie closely, copied only if need be."""
    row, column = x.strides[-2:]
    size = x.itemsize
    near = (column == size and row >= size) or (row == size and column >= size)
    return x if near else np.ascontiguousarray(x)


def work(pattern: None, types: tuple[TensorType, ...], attrs: Attrs) -> Work:
    """Return the work of one large product."""
    return Work(MATMUL.flops(types, attrs), bytes_moved(*types), calls=1, unit="matmul")


MATMUL_DENSE = Kernel(
    MATMUL,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, fuses=True, device=by_meaning(MATMUL)),
    counts=counts,
)
