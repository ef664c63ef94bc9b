"""SpMM on COO: ``C[row[p], n] += data[p] * B[col[p], n]`` for every entry p, in stored order.

Nothing is known of the order, so every product is added to C on its own: unbuffered, because a
row that occurs twice in a chunk must receive both. That costs several times what sorting once
and the row panels of CSR do: COO is the format to build matrices in, not to compute with.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import COO, Pattern
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.wide import widen
from minisparse.ops import SPMM, Attrs

CHUNK = 1 << 16
"""Products that are held at once."""


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, and per stored value one row of B read and one of C read and written."""
    return a.nnz * (a.itemsize + 2 * a.index_itemsize + 3 * b.dims[1] * b.itemsize)


def loops(a: COO, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for p in range(len(a.data)):
        m, k = a.row[p], a.col[p]
        for n in range(b.shape[1]):
            c[m, n] += a.data[p] * b[k, n]
    return c.astype(dtype)


def vectorized(a: COO, b: Array, out: Array | None = None) -> Array:
    """Multiply a chunk of entries with their rows of B, then add the products to C."""
    data, b_wide = widen(a.data, b)
    dtype = np.result_type(a.data, b)
    columns = b.shape[1]
    c = np.zeros((a.shape[0], columns), data.dtype)
    flat = c.reshape(-1)
    place = np.arange(columns)
    step = max(1, CHUNK // max(columns, 1))
    for p in range(0, len(data), step):
        products = data[p : p + step, None] * b_wide[a.col[p : p + step]]
        # One index per element: np.add.at is many times faster in one dimension than in two.
        rows = a.row[p : p + step].astype(np.intp)
        np.add.at(flat, (rows[:, None] * columns + place).reshape(-1), products.reshape(-1))
    if out is None:
        return c.astype(dtype, copy=False)
    out[...] = c
    return out


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return an indexed read and an indexed addition for each product."""
    a, b = types
    products = pattern.nnz * b.dims[1]
    return Work(2.0 * products, bytes_moved(a, b), 2.0 * products, 6.0 * (1 + products // CHUNK))


SPMM_COO = Kernel(
    SPMM, COO, bytes_moved, loops=loops, vectorized=Level(vectorized, work=work, takes_out=True)
)
