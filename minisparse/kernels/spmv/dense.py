"""Matrix times vector, every element stored: ``y[m] = sum_k A[m, k] * x[k]``.

What every sparse kernel has to beat: BLAS reads A once, as fast as memory gives it.
"""

from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.product import product_work
from minisparse.kernels.spmm import dense as spmm_dense
from minisparse.ops import SPMV, Attrs

CALLS = 6.0
"""As long as so many calls takes what is general in a dense product, whatever it computes."""


def bytes_moved(a: TensorType, x: TensorType) -> int:
    """Count A, x and y once each."""
    m, k = a.dims
    return m * k * a.itemsize + (k + m) * x.itemsize


def loops(a: Array, x: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a, x)
    x = x.astype(accumulator(dtype))
    y = np.zeros(a.shape[0], x.dtype)
    for m in range(a.shape[0]):
        for k in range(a.shape[1]):
            y[m] += a[m, k] * x[k]
    return y.astype(dtype)


def counts(a: Array, x: Array) -> Counts:
    """Count what the loops do: as those of SpMM with one column."""
    return spmm_dense.counts(a, x[:, None])


def work(pattern: object, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of reading A once."""
    m, k = types[0].dims
    found = product_work(m, k, 1, types[1].itemsize, "filled")  # as a filled matrix is
    return replace(found, calls=CALLS, rows=float(m))


SPMV_DENSE = Kernel(
    SPMV,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(spmm_dense.vectorized, work=work, takes_out=True, device=by_meaning(SPMV)),
    counts=counts,
)
