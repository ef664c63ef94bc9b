"""``x / (1 + exp(-x))`` of the stored entries of a matrix: positions stay, in every format.

It is zero at zero, so what is not stored stays zero, and so does padding.
"""

import math

import numpy as np

from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix
from minisparse.kernels.cells import bytes_moved, each_cell_once, with_values
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel
from minisparse.kernels.silu import dense
from minisparse.ops import SILU


def loops(x: Matrix) -> Matrix:
    """Follow the formula, one stored entry at a time."""
    each_cell_once(x, "silu")
    stored, data = x.data.reshape(-1), np.empty(x.nnz, x.dtype)
    for p in range(x.nnz):
        v = float(stored[p])
        if v >= 0:
            data[p] = v / (1 + math.exp(-v))
        else:
            data[p] = v * (math.exp(v) / (1 + math.exp(v)))
    return x.with_data(data.reshape(x.data.shape))


def counts(x: Matrix) -> Counts:
    """Count what the loops do: those on a plain array of the stored values."""
    return dense.counts(x.data)


def vectorized(x: Matrix) -> Matrix:
    """Take the stored values for a plain array."""
    each_cell_once(x, "silu")
    return with_values(x, dense.vectorized(x.data))


SILU_COO = Kernel(SILU, COO, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
SILU_CSR = Kernel(SILU, CSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
SILU_CSC = Kernel(SILU, CSC, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
SILU_BSR = Kernel(SILU, BSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
SILU_NM = Kernel(SILU, NM, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
