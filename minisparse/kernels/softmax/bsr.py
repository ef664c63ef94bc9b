"""Row softmax on BSR: over all that the blocks of a row hold, zeros inside of them included.

A block row is r rows side by side. What its blocks hold beyond the last column of the matrix is
not part of any row, and has no weight.
"""

from collections.abc import Iterator

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import BSR, Matrix, Pattern
from minisparse.gpu.segments import segment_maxima, segment_sums
from minisparse.kernels.counts import Counts, inside_blocks, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.sddmm.edges import fill_outside
from minisparse.kernels.softmax.on_device import ON_DEVICE
from minisparse.kernels.softmax.runs import AT_ONCE, passes
from minisparse.ops import SOFTMAX, Attrs


def bytes_moved(a: TensorType) -> int:
    """Count indices, pointers and values once, and the new values once."""
    r, c = a.block or (1, 1)
    index_bytes = (-(-a.dims[0] // r) + 1 + a.nnz // (r * c)) * a.index_itemsize
    return index_bytes + 2 * a.nnz * a.itemsize


def loops(a: BSR, *, axis: int = -1) -> Matrix:
    """Follow the formula, row by row through the blocks, one stored value at a time."""
    x = a.data.astype(accumulator(a.dtype))
    height, width = a.block
    c = np.zeros_like(x)
    for m in range(a.shape[0]):
        i, u = divmod(m, height)
        largest = x.dtype.type(-np.inf)
        for p in range(a.indptr[i], a.indptr[i + 1]):
            inside = min(width, a.shape[1] - a.indices[p] * width)  # the rest is padding
            for v in range(inside):
                largest = np.maximum(largest, x[p, u, v])
        total = x.dtype.type(0)
        for p in range(a.indptr[i], a.indptr[i + 1]):
            inside = min(width, a.shape[1] - a.indices[p] * width)
            for v in range(inside):
                c[p, u, v] = np.exp(x[p, u, v] - largest)
                total += c[p, u, v]
        for p in range(a.indptr[i], a.indptr[i + 1]):
            inside = min(width, a.shape[1] - a.indices[p] * width)
            for v in range(inside):
                c[p, u, v] /= total
    return a.with_data(c.astype(a.dtype))


def counts(a: BSR, *, axis: int = -1) -> Counts:
    """Count what the loops do: an index is read for each row of a block and pass."""
    m, (heights, widths) = a.shape[0], inside_blocks(a)
    stored = int(heights @ widths)
    return Counts(
        flops=4 * stored,
        value_bytes=stored * a.data.itemsize + a.data.nbytes,
        index_bytes=a.indptr.nbytes * (m > 0) + a.indices.nbytes,
        gathered_bytes=0,
        scratch=widened_bytes(a.data, a.dtype, a.nnz),
        calls=6 * m + 3 * int(heights.sum()) + 6 * stored,
    )


def vectorized(a: BSR, *, axis: int = -1) -> Matrix:
    """Compute some block rows after another, or some rows of a long one."""
    wide = accumulator(a.dtype)
    found = np.empty_like(a.data)
    beyond = a.shape[1] % a.block[1]
    for first, last, rows in _parts(a):
        slots = slice(int(a.indptr[first]), int(a.indptr[last]))
        starts = a.indptr[first : last + 1] - a.indptr[first]
        counts = np.diff(starts)
        x = a.data[slots, rows].astype(wide)
        if beyond:
            x[a.indices[slots] == a.shape[1] // a.block[1], :, beyond:] = -np.inf
        x -= np.repeat(segment_maxima(x.max(axis=2), starts), counts, axis=0)[:, :, None]
        np.exp(x, out=x)
        x /= np.repeat(segment_sums(x.sum(axis=2), starts), counts, axis=0)[:, :, None]
        found[slots, rows] = x
    fill_outside(a, found, 0)
    return a.with_data(found)


def _parts(a: BSR) -> Iterator[tuple[int, int, slice]]:
    """Yield neighboring block rows with few enough values together, or some rows of one."""
    (r, c), first = a.block, 0
    while first < len(a.indptr) - 1:
        most = int(a.indptr[first]) + AT_ONCE // (r * c)
        last = max(int(np.searchsorted(a.indptr, most, "right")) - 1, first + 1)
        values = int(a.indptr[last] - a.indptr[first]) * c
        step = r if last > first + 1 else max(1, AT_ONCE // max(values, 1))
        for u in range(0, r, step):
            yield first, last, slice(u, min(u + step, r))
        first = last


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the passes over the values."""
    return passes(types[0])


SOFTMAX_BSR = Kernel(
    SOFTMAX,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE),
    counts=counts,
)
