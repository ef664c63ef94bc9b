"""Softmax along an axis, every element stored: ``exp(A[m, n] - max_m) / sum exp(A[m] - max_m)``.

After Blanchard, Higham and Higham, IMA J. Numer. Anal. 41(4), 2021, algorithm 4.2 with a division.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.rows import in_rows, row_sums, rows_along
from minisparse.kernels.softmax.runs import passes
from minisparse.ops import SOFTMAX, Attrs

MOST = {4: 50.0, 8: 600.0}
"""Up to which x its exponential is computed as it is, by itemsize: sums stay far from infinity."""


def bytes_moved(a: TensorType) -> int:
    """Count A and C once each."""
    return 2 * a.size * a.itemsize


def loops(a: Array, *, axis: int = -1) -> Array:
    """Follow the formula, one element at a time."""
    x = a.astype(accumulator(a.dtype))
    c = np.zeros_like(x)
    axis %= a.ndim
    for m in np.ndindex(*a.shape[:axis], *a.shape[axis + 1 :]):
        before, after = m[:axis], m[axis:]
        largest = x.dtype.type(-np.inf)
        for n in range(a.shape[axis]):
            largest = np.maximum(largest, x[*before, n, *after])
        total = x.dtype.type(0)
        for n in range(a.shape[axis]):
            c[*before, n, *after] = np.exp(x[*before, n, *after] - largest)
            total += c[*before, n, *after]
        for n in range(a.shape[axis]):
            c[*before, n, *after] /= total
    return c.astype(a.dtype)


def counts(a: Array, *, axis: int = -1) -> Counts:
    """Count what the loops do: three passes over a row, of which each element counts once."""
    scratch = widened_bytes(a, a.dtype, a.size)
    return Counts(4 * a.size, 2 * a.nbytes, 0, 0, scratch, calls=6 * a.size)


def vectorized(a: Array, *, axis: int = -1, out: Array | None = None) -> Array:
    """Compute some rows after another, without looking for each one's maximum where none is far."""
    return in_rows(_write, a, rows_along(a.shape, axis), a.dtype, out)


def _write(x: Array, y: Array, rows: slice) -> None:
    """Write the softmax along axis 1.

    ``exp(x)`` without a maximum taken off rounds less than with it, and neither overflows nor loses
    what counts as long as no x is large and no sum is small.
    """
    if 0 <= x.max() <= MOST[x.dtype.itemsize]:
        np.exp(x, out=y)
        total = row_sums(y)
        if total.min() >= 1:
            y *= np.reciprocal(total, out=total)
            return
    np.subtract(x, x.max(axis=1, keepdims=True, initial=-np.inf), out=y)
    np.exp(y, out=y)
    y /= row_sums(y)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the passes over the elements."""
    return passes(types[0])


SOFTMAX_DENSE = Kernel(
    SOFTMAX,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, takes_out=True, device=by_meaning(SOFTMAX)),
    counts=counts,
)
