"""SDDMM with every element stored: ``C[m, n] = A[m, n] * sum_d X[m, d] * Y[d, n]``.

What the sparse kernels have to beat: the whole product, and one multiplication more. A few rows at
a time, so that they are near when they are multiplied.
"""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.product import product_work
from minisparse.ops import SDDMM, Attrs

CELLS = 1 << 20
"""Cells of C that are computed at once."""


def bytes_moved(a: TensorType, x: TensorType, y: TensorType) -> int:
    """Count A, X, Y and C once each."""
    return 2 * a.size * a.itemsize + x.size * x.itemsize + y.size * y.itemsize


def loops(a: Array, x: Array, y: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a, x, y)
    x, y = x.astype(accumulator(dtype)), y.astype(accumulator(dtype))
    c = np.zeros(a.shape, x.dtype)
    for m in range(a.shape[0]):
        for n in range(a.shape[1]):
            for d in range(x.shape[1]):
                c[m, n] += x[m, d] * y[d, n]
            c[m, n] *= a[m, n]
    return c.astype(dtype)


def counts(a: Array, x: Array, y: Array) -> Counts:
    """Count what the loops do: nothing is reached through an index."""
    (m, d), n, dtype = x.shape, y.shape[1], np.result_type(a, x, y)
    steps = a.size * d
    return Counts(
        flops=2 * steps + a.size,
        value_bytes=a.nbytes + x.nbytes * (n > 0) + y.nbytes * (m > 0) + a.size * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=widened_bytes(x, dtype, a.size) + widened_bytes(y, dtype, 0),
        calls=3 * a.size + 4 * steps,
    )


def vectorized(a: Array, x: Array, y: Array, out: Array | None = None) -> Array:
    """Call BLAS for some rows, and multiply with A."""
    dtype = np.result_type(a, x, y)
    wide = accumulator(dtype)
    c = np.empty(a.shape, dtype) if out is None else out
    y = y.astype(wide, copy=False)
    step = max(1, CELLS // max(a.shape[1], 1))
    for m in range(0, len(a), step):
        rows = slice(m, m + step)
        dots = np.matmul(x[rows].astype(wide, copy=False), y)
        c[rows] = dots * a[rows].astype(wide, copy=False)
    return c


def work(pattern: object, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of the product, and of two passes over what it gives."""
    a, x, _ = types
    (m, n), depth = a.dims, x.dims[1]
    steps = max(1, a.size // CELLS)
    product = product_work(m, depth, n, x.itemsize)
    return replace(product, bytes=product.bytes + 4.0 * a.size * a.itemsize, calls=6.0 * steps)


SDDMM_DENSE = Kernel(
    SDDMM,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, takes_out=True, device=by_meaning(SDDMM)),
    counts=counts,
)
