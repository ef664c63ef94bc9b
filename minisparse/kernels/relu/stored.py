"""``max(x, 0)`` of the stored entries of a matrix: positions stay, in every format.

It is zero at zero, so what is not stored stays zero, and so does padding.
"""

import numpy as np

from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix
from minisparse.kernels.cells import bytes_moved, each_cell_once, with_values
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel
from minisparse.kernels.relu import dense
from minisparse.ops import RELU


def loops(x: Matrix) -> Matrix:
    """Follow the formula, one stored entry at a time."""
    each_cell_once(x, "relu")
    stored, data = x.data.reshape(-1), np.empty(x.nnz, x.dtype)
    zero = x.dtype.type(0)
    for p in range(x.nnz):
        data[p] = max(stored[p], zero)
    return x.with_data(data.reshape(x.data.shape))


def counts(x: Matrix) -> Counts:
    """Count what the loops do: those on a plain array of the stored values."""
    return dense.counts(x.data)


def vectorized(x: Matrix) -> Matrix:
    """Take the stored values for a plain array."""
    each_cell_once(x, "relu")
    return with_values(x, dense.vectorized(x.data))


RELU_COO = Kernel(RELU, COO, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
RELU_CSR = Kernel(RELU, CSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
RELU_CSC = Kernel(RELU, CSC, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
RELU_BSR = Kernel(RELU, BSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
RELU_NM = Kernel(RELU, NM, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
