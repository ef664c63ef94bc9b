"""SpGEMM on CSR: ``C[m, n] = sum_k A[m, k] * B[k, n]``, A ``[M, K]`` and B ``[K, N]`` both stored.

Row-wise order (Gustavson, ACM TOMS 4(3), 1978): row m of C is a weighted sum of rows of B, and row
m of A lists which rows and which weights. They are added up in an accumulator of one row; here it
is a hash table (a dict), as in Nagasaka, Matsuoka, Azad and Buluç, "High-performance sparse
matrix-matrix products on Intel KNL and multicore architectures", ICPP Workshops 2018: which cells
there are is found out while they are summed. No two rows of C share a write.
"""

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Pattern
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spgemm.bound import rows_of
from minisparse.kernels.spgemm.expected import expected_bytes, expected_work
from minisparse.kernels.spgemm.on_device import ON_DEVICE
from minisparse.kernels.spgemm.rows import multiply
from minisparse.kernels.spgemm.threads import GPU_CSR
from minisparse.ops import SPGEMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count A once, a row of B per stored value of A, and C once: of a random pattern."""
    return expected_bytes(a, b, pointers=2 * a.dims[0] + a.nnz + 2)


def loops(a: CSR, b: CSR) -> CSR:
    """Follow the formula, one multiply-add at a time; a row's cells come out sorted."""
    dtype = np.result_type(a.data, b.data)
    wide = accumulator(dtype)
    a_data, b_data = a.data.astype(wide), b.data.astype(wide)
    data, indices, indptr = [], [], [0]
    for m in range(a.shape[0]):
        c = {}
        for p in range(a.indptr[m], a.indptr[m + 1]):
            k = a.indices[p]
            for q in range(b.indptr[k], b.indptr[k + 1]):
                n = b.indices[q]
                if n not in c:
                    c[n] = wide.type(0)
                c[n] += a_data[p] * b_data[q]
        for n in sorted(c):
            indices.append(n)
            data.append(c[n])
        indptr.append(len(indices))
    values = np.array(data, wide).astype(dtype)
    return CSR(values, np.array(indices, np.int64), indptr, (a.shape[0], b.shape[1]))


def counts(a: CSR, b: CSR) -> Counts:
    """Count what the loops do; how many entries C has is found by computing it."""
    with np.errstate(all="ignore"):
        m, c = a.shape[0], vectorized(a, b)
    met = np.diff(b.indptr)[a.indices]
    products = int(met.sum())
    return Counts(
        flops=2 * products,
        value_bytes=int(np.count_nonzero(met)) * a.data.itemsize + c.data.nbytes,
        index_bytes=a.indptr.nbytes * (m > 0) + a.indices.nbytes + c.storage.total - c.data.nbytes,
        gathered_bytes=2 * a.nnz * b.indptr.itemsize
        + products * (b.data.itemsize + b.indices.itemsize),
        scratch=(a.nnz + b.nnz + c.nnz) * accumulator(c.dtype).itemsize,
        calls=2 * m + 3 * a.nnz + 3 * products,
    )


def vectorized(a: CSR, b: CSR) -> CSR:
    """Make the products of some rows at once, and add up those of the same cell."""
    rows, columns = a.shape[0], b.shape[1]
    product = multiply(rows_of(a), rows_of(b), columns)
    return CSR._trusted((rows, columns), **product._asdict())


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the products to expect cost."""
    return expected_work(pattern.nnz, types, bytes_moved(*types))


SPGEMM_CSR = Kernel(
    SPGEMM,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE["csr"]),
    gpu=GPU_CSR,
    counts=counts,
)
