"""``x Phi(x)`` of the stored entries of a matrix: positions stay, in every format.

It is zero at zero, so what is not stored stays zero, and so does padding.
"""

import math

import numpy as np

from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix
from minisparse.kernels.cells import bytes_moved, each_cell_once, with_values
from minisparse.kernels.counts import Counts
from minisparse.kernels.gelu import dense
from minisparse.kernels.kernel import Kernel
from minisparse.ops import GELU


def loops(x: Matrix, *, approximate: str) -> Matrix:
    """Follow the formula, one stored entry at a time."""
    each_cell_once(x, "gelu")
    stored, data = x.data.reshape(-1), np.empty(x.nnz, x.dtype)
    for p in range(x.nnz):
        v = float(stored[p])
        if approximate == "none":
            data[p] = v * 0.5 * math.erfc(-v / math.sqrt(2))
        else:
            scale = math.sqrt(2 / math.pi)
            data[p] = v * 0.5 * (1 + math.tanh(scale * (v + 0.044715 * v * v * v)))
    return x.with_data(data.reshape(x.data.shape))


def counts(x: Matrix, *, approximate: str) -> Counts:
    """Count what the loops do: those on a plain array of the stored values."""
    return dense.counts(x.data, approximate=approximate)


def vectorized(x: Matrix, *, approximate: str) -> Matrix:
    """Take the stored values for a plain array."""
    each_cell_once(x, "gelu")
    return with_values(x, dense.vectorized(x.data, approximate=approximate))


GELU_COO = Kernel(GELU, COO, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
GELU_CSR = Kernel(GELU, CSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
GELU_CSC = Kernel(GELU, CSC, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
GELU_BSR = Kernel(GELU, BSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
GELU_NM = Kernel(GELU, NM, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
