"""``y = (x - max) - log(sum exp(x - max))`` along an axis.

Blanchard, Higham and Higham, IMA J. Numer. Anal. 41(4), 2021, equation (1.3): the maximum is taken
off first, and the logarithm of the sum last, so that an error is small beside the result.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.rows import in_rows, row_sums, rows_along
from minisparse.kernels.scratch import scratch
from minisparse.ops.log_softmax import LOG_SOFTMAX


def bytes_moved(x: TensorType) -> int:
    """Count x and y once each."""
    return 2 * x.size * x.itemsize


def loops(x: Array, *, axis: int) -> Array:
    """Follow the formula, one element at a time."""
    z = x.astype(accumulator(x.dtype))
    y = np.zeros_like(z)
    axis %= x.ndim
    for m in np.ndindex(*x.shape[:axis], *x.shape[axis + 1 :]):
        row = [(*m[:axis], i, *m[axis:]) for i in range(x.shape[axis])]
        largest = z.dtype.type(-np.inf)
        for i in row:
            largest = np.maximum(largest, z[i])
        total = z.dtype.type(0)
        for i in row:
            difference = z[i] - largest
            y[i] = difference
            total += np.exp(difference)
        logarithm = np.log(total)
        for i in row:
            y[i] -= logarithm
    return y.astype(x.dtype)


def counts(x: Array, *, axis: int) -> Counts:
    """Count what the loops do: three passes over a row, of which each element counts once."""
    rows = x.size // x.shape[axis] if x.size else 0
    scratch = widened_bytes(x, x.dtype, x.size)
    return Counts(4 * x.size + rows, 2 * x.nbytes, 0, 0, scratch, calls=5 * x.size)


def vectorized(x: Array, *, axis: int, out: Array | None = None) -> Array:
    """Compute some rows after another."""
    return in_rows(_write, x, rows_along(x.shape, axis), x.dtype, out)


def _write(x: Array, y: Array, rows: slice) -> None:
    np.subtract(x, x.max(axis=1, keepdims=True, initial=-np.inf), out=y)
    total = row_sums(np.exp(y, out=scratch("exponentials", y.shape, y.dtype)))
    y -= np.log(total, out=total)


LOG_SOFTMAX_DENSE = Kernel(
    LOG_SOFTMAX,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(LOG_SOFTMAX)),
    counts=counts,
)
