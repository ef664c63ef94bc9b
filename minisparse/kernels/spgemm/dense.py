"""Matrix times matrix, every element stored: ``C[m, n] = sum_k A[m, k] * B[k, n]``.

The dense twin of the sparse products, and SpMM's by another name: A, B and C are plain arrays.
"""

from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.spmm import dense
from minisparse.ops import SPGEMM

SPGEMM_DENSE = Kernel(
    SPGEMM,
    None,
    dense.bytes_moved,
    loops=dense.loops,
    vectorized=Level(dense.vectorized, takes_out=True),
    counts=dense.counts,
)
