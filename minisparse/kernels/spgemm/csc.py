"""SpGEMM on CSC: ``C[m, n] = sum_k A[m, k] * B[k, n]``, both stored by columns.

Column-wise order, the mirror image of CSR's: column n of C is a weighted sum of columns of A, and
column n of B lists which columns and which weights (Gilbert, Moler and Schreiber, "Sparse matrices
in MATLAB", SIAM J. Matrix Anal. Appl. 13(1), 1992). CSC of a matrix is CSR of its transpose, and
``C.T = B.T @ A.T``: so the array code is that of CSR, operands exchanged.
"""

import numpy as np

from minisparse.core.dtypes import accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSC, Pattern
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spgemm import csr
from minisparse.kernels.spgemm.bound import rows_of
from minisparse.kernels.spgemm.expected import expected_bytes, expected_work
from minisparse.kernels.spgemm.on_device import ON_DEVICE
from minisparse.kernels.spgemm.rows import multiply
from minisparse.kernels.spgemm.threads import GPU_CSC
from minisparse.ops import SPGEMM, Attrs


def bytes_moved(a: TensorType, b: TensorType) -> int:
    """Count B once, a column of A per stored value of B, and C once: of a random pattern."""
    return expected_bytes(a, b, pointers=2 * b.dims[1] + b.nnz + 2)


def loops(a: CSC, b: CSC) -> CSC:
    """Follow the formula, one multiply-add at a time; a column's cells come out sorted."""
    dtype = np.result_type(a.data, b.data)
    wide = accumulator(dtype)
    a_data, b_data = a.data.astype(wide), b.data.astype(wide)
    data, indices, indptr = [], [], [0]
    for n in range(b.shape[1]):
        c = {}
        for q in range(b.indptr[n], b.indptr[n + 1]):
            k = b.indices[q]
            for p in range(a.indptr[k], a.indptr[k + 1]):
                m = a.indices[p]
                if m not in c:
                    c[m] = wide.type(0)
                c[m] += a_data[p] * b_data[q]
        for m in sorted(c):
            indices.append(m)
            data.append(c[m])
        indptr.append(len(indices))
    values = np.array(data, wide).astype(dtype)
    return CSC(values, np.array(indices, np.int64), indptr, (a.shape[0], b.shape[1]))


def counts(a: CSC, b: CSC) -> Counts:
    """Count what the loops do: those of ``C^T = B^T @ A^T`` by rows."""
    return csr.counts(b.T, a.T)


def vectorized(a: CSC, b: CSC) -> CSC:
    """Multiply the transposes, whose rows these columns are."""
    rows, columns = a.shape[0], b.shape[1]
    product = multiply(rows_of(b), rows_of(a), rows)
    return CSC._trusted((rows, columns), **product._asdict())


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return what the products to expect cost."""
    return expected_work(pattern.nnz, types, bytes_moved(*types))


SPGEMM_CSC = Kernel(
    SPGEMM,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, work=work, device=ON_DEVICE["csc"]),
    gpu=GPU_CSC,
    counts=counts,
)
