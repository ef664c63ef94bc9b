"""Row softmax on n:m: over all that the groups of a row hold, zeros inside of them included.

Every row stores equally many values, so that they are a plain array. What the last group holds
beyond the last column of the matrix is not part of any row, and has no weight.
"""

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import NM, Matrix, Pattern
from minisparse.kernels.counts import Counts, inside_groups, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.sddmm.edges import fill_outside
from minisparse.kernels.softmax.on_device import ON_DEVICE
from minisparse.kernels.softmax.runs import AT_ONCE, passes, softmax_in_place
from minisparse.ops import SOFTMAX, Attrs


def bytes_moved(a: TensorType) -> int:
    """Count positions and values once, and the new values once."""
    return a.nnz * (2 * a.itemsize + a.index_itemsize)


def loops(a: NM, *, axis: int = -1) -> Matrix:
    """Follow the formula, one stored value at a time."""
    x = a.data.astype(accumulator(a.dtype))
    c = np.zeros_like(x)
    for m in range(a.shape[0]):
        largest = x.dtype.type(-np.inf)
        for p in range(x.shape[1]):
            if p // a.n * a.m + int(a.positions[m, p]) < a.shape[1]:  # else beyond the matrix
                largest = np.maximum(largest, x[m, p])
        total = x.dtype.type(0)
        for p in range(x.shape[1]):
            if p // a.n * a.m + int(a.positions[m, p]) < a.shape[1]:
                c[m, p] = np.exp(x[m, p] - largest)
                total += c[m, p]
        for p in range(x.shape[1]):
            if p // a.n * a.m + int(a.positions[m, p]) < a.shape[1]:
                c[m, p] /= total
    return a.with_data(c.astype(a.dtype))


def counts(a: NM, *, axis: int = -1) -> Counts:
    """Count what the loops do: padding is looked at, and left out."""
    stored = int(np.count_nonzero(inside_groups(a)))
    return Counts(
        flops=4 * stored,
        value_bytes=stored * a.data.itemsize + a.data.nbytes,
        index_bytes=a.positions.nbytes,
        gathered_bytes=0,
        scratch=widened_bytes(a.data, a.dtype, a.nnz),
        calls=3 * a.nnz + 6 * stored,
    )


def vectorized(a: NM, *, axis: int = -1) -> Matrix:
    """Compute some rows after another."""
    found, wide = np.empty_like(a.data), accumulator(a.dtype)
    beyond, slots = a.shape[1] % a.m, a.data.shape[1]
    step = max(1, AT_ONCE // max(slots, 1))
    for m in range(0, len(found), step):
        x = a.data[m : m + step].astype(wide)
        if beyond:
            last = x[:, slots - a.n :]
            last[a.positions[m : m + step, slots - a.n :] >= beyond] = -np.inf
        softmax_in_place(x)
        found[m : m + step] = x
    fill_outside(a, found, 0)
    return a.with_data(found)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the passes over the values."""
    return passes(types[0])


SOFTMAX_NM = Kernel(
    SOFTMAX,
    NM,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE),
    counts=counts,
)
