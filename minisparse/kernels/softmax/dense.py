"""Row softmax with every element stored: ``exp(A[m, n] - max_m) / sum exp(A[m] - max_m)``.

After Blanchard, Higham and Higham, IMA J. Numer. Anal. 41(4), 2021, algorithm 4.2 with a division.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.softmax.runs import AT_ONCE, passes, softmax_in_place
from minisparse.ops import SOFTMAX, Attrs


def bytes_moved(a: TensorType) -> int:
    """Count A and C once each."""
    return 2 * a.size * a.itemsize


def loops(a: Array) -> Array:
    """Follow the formula, one element at a time."""
    x = a.astype(accumulator(a.dtype))
    c = np.zeros_like(x)
    for m in range(a.shape[0]):
        largest = x.dtype.type(-np.inf)
        for n in range(a.shape[1]):
            largest = np.maximum(largest, x[m, n])
        total = x.dtype.type(0)
        for n in range(a.shape[1]):
            c[m, n] = np.exp(x[m, n] - largest)
            total += c[m, n]
        for n in range(a.shape[1]):
            c[m, n] /= total
    return c.astype(a.dtype)


def counts(a: Array) -> Counts:
    """Count what the loops do: three passes over a row, of which each element counts once."""
    scratch = widened_bytes(a, a.dtype, a.size)
    return Counts(4 * a.size, 2 * a.nbytes, 0, 0, scratch, calls=6 * a.size)


def vectorized(a: Array, out: Array | None = None) -> Array:
    """Compute some rows after another."""
    c = np.empty(a.shape, a.dtype) if out is None else out
    step = max(1, AT_ONCE // max(a.shape[1], 1))
    for m in range(0, len(a), step):
        x = a[m : m + step].astype(accumulator(a.dtype))
        softmax_in_place(x)
        c[m : m + step] = x
    return c


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the passes over the elements."""
    return passes(types[0])


SOFTMAX_DENSE = Kernel(
    SOFTMAX,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, takes_out=True),
    counts=counts,
)
