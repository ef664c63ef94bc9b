"""``min(max(x, min), max)`` of the stored entries of a matrix: positions stay, in every format.

It is zero at zero, so what is not stored stays zero, and so does padding.
"""

import numpy as np

from minisparse.formats import BSR, COO, CSC, CSR, NM, Matrix
from minisparse.kernels.cells import bytes_moved, each_cell_once, with_values
from minisparse.kernels.clip import dense
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel
from minisparse.ops import CLIP
from minisparse.ops.activations import bound_in


def loops(x: Matrix, *, min: float | None, max: float | None) -> Matrix:  # noqa: A002 - ONNX's names
    """Follow the formula, one stored entry at a time."""
    each_cell_once(x, "clip")
    stored, data = x.data.reshape(-1), np.empty(x.nnz, x.dtype)
    low, high = bound_in(min or 0, x.dtype), bound_in(max or 0, x.dtype)
    for p in range(x.nnz):
        v = stored[p]
        if min is not None and v < low:
            v = low
        if max is not None and v > high:
            v = high
        data[p] = v
    return x.with_data(data.reshape(x.data.shape))


def counts(x: Matrix, *, min: float | None, max: float | None) -> Counts:  # noqa: A002 - ONNX's names
    """Count what the loops do: those on a plain array of the stored values."""
    return dense.counts(x.data, min=min, max=max)


def vectorized(x: Matrix, *, min: float | None, max: float | None) -> Matrix:  # noqa: A002 - ONNX's names
    """Take the stored values for a plain array."""
    each_cell_once(x, "clip")
    return with_values(x, dense.vectorized(x.data, min=min, max=max))


CLIP_COO = Kernel(CLIP, COO, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
CLIP_CSR = Kernel(CLIP, CSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
CLIP_CSC = Kernel(CLIP, CSC, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
CLIP_BSR = Kernel(CLIP, BSR, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
CLIP_NM = Kernel(CLIP, NM, bytes_moved, loops=loops, vectorized=vectorized, counts=counts)
