"""Transposed matrix times matrix, every element stored: ``C[k, n] = sum_m A[m, k] * B[m, n]``.

What every sparse kernel has to beat. BLAS takes A as it lies, and reads it the other way.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.product import product_work
from minisparse.kernels.spmm import dense
from minisparse.ops import SPMM_T, Attrs


def loops(a: Array, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[1], b.shape[1]), b.dtype)
    for m in range(a.shape[0]):
        for k in range(a.shape[1]):
            for n in range(b.shape[1]):
                c[k, n] += a[m, k] * b[m, n]
    return c.astype(dtype)


def counts(a: Array, b: Array) -> Counts:
    """Count what the loops do: those of SpMM on the transpose."""
    return dense.counts(a.T, b)


def vectorized(a: Array, b: Array, out: Array | None = None) -> Array:
    """Call BLAS with a view of A."""
    return dense.vectorized(a.T, b, out)


def work(pattern: object, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of one product, zeros and all."""
    (m, k), b = types[0].dims, types[1]
    return product_work(k, m, b.dims[1], b.itemsize)


SPMM_T_DENSE = Kernel(
    SPMM_T,
    None,
    dense.bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, takes_out=True, device=by_meaning(SPMM_T)),
    counts=counts,
)
