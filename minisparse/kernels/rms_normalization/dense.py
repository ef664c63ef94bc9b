"""``y = x / sqrt(mean(x**2) + epsilon) * scale`` of rows: layer normalization without a mean."""

from math import prod

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.layer_normalization.dense import bytes_moved, normalized
from minisparse.kernels.meaning import by_meaning
from minisparse.ops.normalizations import RMS_NORMALIZATION


def loops(x: Array, scale: Array, *, axis: int, epsilon: float) -> Array:
    """Follow the formula, one element at a time: one pass over a row, and one to write it."""
    dtype, axis = np.result_type(x, scale), axis % x.ndim
    wide = accumulator(dtype)
    z = x.astype(wide)
    factor = np.broadcast_to(scale.astype(wide), x.shape)
    y = np.zeros(x.shape, wide)
    for m in np.ndindex(*x.shape[:axis]):
        row = [(*m, *i) for i in np.ndindex(*x.shape[axis:])]
        square = wide.type(0)
        for i in row:
            square += z[i] * z[i]
        root = np.sqrt(square / wide.type(len(row)) + wide.type(epsilon))
        for i in row:
            y[i] = z[i] / root * factor[i]
    return y.astype(dtype)


def counts(x: Array, scale: Array, *, axis: int, epsilon: float) -> Counts:
    """Count what the loops do."""
    dtype = np.result_type(x, scale)
    rows = prod(x.shape[: axis % x.ndim]) if x.size else 0
    return Counts(
        flops=4 * x.size + 3 * rows,
        value_bytes=(x.nbytes + scale.nbytes) * (x.size > 0) + x.size * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=(2 * x.size + scale.size) * accumulator(dtype).itemsize,
        calls=5 * x.size,
    )


def vectorized(
    x: Array, scale: Array, *, axis: int, epsilon: float, out: Array | None = None
) -> Array:
    """Compute some rows after another."""
    return normalized((x, scale), axis, epsilon, False, out)


RMS_NORMALIZATION_DENSE = Kernel(
    RMS_NORMALIZATION,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(RMS_NORMALIZATION)),
    counts=counts,
)
