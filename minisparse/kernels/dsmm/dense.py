"""Matrix times matrix: ``C[n, k] = sum_m B[n, m] * A[m, k]``, every element stored.

What every sparse kernel has to beat: BLAS.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Finish, Kernel, Level, Work
from minisparse.kernels.matmul.dense import finish_in_parts
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.product import product_work
from minisparse.kernels.spmm import dense as spmm_dense
from minisparse.kernels.spmm_t import dense
from minisparse.ops import DSMM, Attrs


def bytes_moved(b: TensorType, a: TensorType) -> int:
    """Count A, B and C once each."""
    (m, k), n = a.dims, b.dims[0]
    return m * k * a.itemsize + (k + m) * n * b.itemsize


def loops(b: Array, a: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(b, a)
    b = b.astype(accumulator(dtype))
    c = np.zeros((b.shape[0], a.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for k in range(a.shape[1]):
            for n in range(b.shape[0]):
                c[n, k] += b[n, m] * a[m, k]
    return c.astype(dtype)


def counts(b: Array, a: Array) -> Counts:
    """Count what the loops do: those of ``C^T = A^T @ B^T``."""
    return dense.counts(a, b.T)


def vectorized(b: Array, a: Array, out: Array | None = None, finish: Finish | None = None) -> Array:
    """Call BLAS, then finish the product in parts that stay in a cache."""
    c = spmm_dense.vectorized(b, a, out)
    if finish is not None:
        finish_in_parts(c, finish)
    return c


def work(pattern: object, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of one product, zeros and all."""
    (n, m), a = types[0].dims, types[1]
    return product_work(n, m, a.dims[1], types[0].itemsize)


DSMM_DENSE = Kernel(
    DSMM,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, fuses=True, device=by_meaning(DSMM)),
    counts=counts,
)
