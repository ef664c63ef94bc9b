"""Matrix times matrix, every element stored: ``C[m, n] = sum_k A[m, k] * B[k, n]``.

What every sparse kernel has to beat. The vectorized level is BLAS (Goto and van de Geijn,
"Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008).
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts, widened_bytes
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.product import product_work
from minisparse.kernels.wide import widen
from minisparse.ops import SPMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A, B and C once each."""
    (m, k), n = a.dims, b.dims[1]
    return m * k * a.itemsize + (k + m) * n * b.itemsize


def loops(a: Array, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for k in range(a.shape[1]):
            for n in range(b.shape[1]):
                c[m, n] += a[m, k] * b[k, n]
    return c.astype(dtype)


def counts(a: Array, b: Array) -> Counts:
    """Count what the loops do: nothing is reached through an index."""
    (m, k), n, dtype = a.shape, b.shape[1], np.result_type(a, b)
    steps = m * k * n
    return Counts(
        flops=2 * steps,
        value_bytes=a.nbytes * (n > 0) + b.nbytes * (m > 0) + m * n * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=widened_bytes(b, dtype, m * n),
        calls=4 * steps,
    )


def vectorized(a: Array, b: Array, out: Array | None = None) -> Array:
    """Call BLAS, in the dtype in which products are summed."""
    dtype = np.result_type(a, b)
    a, b = widen(a, b)
    if out is None:
        c: Array = np.matmul(a, b)
        return c.astype(dtype, copy=False)
    if out.dtype == a.dtype:
        np.matmul(a, b, out=out)
        return out
    out[...] = np.matmul(a, b)
    return out


def work(pattern: object, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of one product, zeros and all."""
    (m, k), b = types[0].dims, types[1]
    return product_work(m, k, b.dims[1], b.itemsize)


SPMM_DENSE = Kernel(
    SPMM,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, takes_out=True, device=by_meaning(SPMM)),
    counts=counts,
)
