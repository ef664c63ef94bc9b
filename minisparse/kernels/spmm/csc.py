"""SpMM on CSC: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A ``[M, K]`` by columns, B ``[K, N]`` dense.

Column-wise order: C is a sum of outer products, column k of A times row k of B. B is read once, but
every product adds to rows of C all over the place, so that C is read and written once per
stored value: the reason why CSR is the better format here.
"""

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, Pattern
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.wide import widen
from minisparse.ops import SPMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A and B once, and a row of C read and written per stored value of A."""
    k, n = b.dims
    index_bytes = (k + 1 + a.nnz) * a.index_itemsize
    return index_bytes + a.nnz * a.itemsize + (k + 2 * a.nnz) * n * b.itemsize


def loops(a: CSC, b: Array) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(a.data, b)
    b = b.astype(accumulator(dtype))
    c = np.zeros((a.shape[0], b.shape[1]), b.dtype)
    for k in range(a.shape[1]):
        for p in range(a.indptr[k], a.indptr[k + 1]):
            m = a.indices[p]
            for n in range(b.shape[1]):
                c[m, n] += a.data[p] * b[k, n]
    return c.astype(dtype)


def vectorized(a: CSC, b: Array, out: Array | None = None) -> Array:
    """Add one outer product after another, each to the rows of C that its column names."""
    data, b_wide = widen(a.data, b)
    dtype = np.result_type(a.data, b)
    c = np.zeros((a.shape[0], b.shape[1]), data.dtype)
    indices = a.indices.astype(np.intp, copy=False)
    for k in np.flatnonzero(np.diff(a.indptr)):
        of_column = slice(a.indptr[k], a.indptr[k + 1])
        product = data[of_column, None] * b_wide[k]
        if a.has_canonical_format:
            c[indices[of_column]] += product
        else:  # with a row named twice, "+=" would keep only the last product
            np.add.at(c, indices[of_column], product)
    if out is None:
        return c.astype(dtype, copy=False)
    out[...] = c
    return out


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return three passes over C's rows for each stored value, and four calls a column."""
    a, b = types
    touched = pattern.nnz * b.dims[1]
    return Work(2.0 * touched, bytes_moved(a, b), touched, 4.0 * pattern.nonzero_cols)


SPMM_CSC = Kernel(
    SPMM, CSC, bytes_moved, loops=loops, vectorized=Level(vectorized, work=work, takes_out=True)
)
