"""``y = (x - mean) / sqrt(var + epsilon) * scale + bias`` of rows, and what serves without a mean.

The variance is the mean of squared differences from the mean, in a second pass, in which nothing
cancels (Higham, Accuracy and Stability of Numerical Algorithms, section 1.9). A row is divided
once; sums of rows are products with vectors, which BLAS does faster than NumPy adds.
"""

from math import prod

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.tensor_type import TensorType
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.meaning import by_meaning
from minisparse.kernels.rows import in_rows, row_sums
from minisparse.ops.normalizations import LAYER_NORMALIZATION


def bytes_moved(x: TensorType, scale: TensorType, bias: TensorType | None = None) -> int:
    """Count x and y once each, scale and bias."""
    others = sum(t.size * t.itemsize for t in (scale, bias) if t is not None)
    return 2 * x.size * x.itemsize + others


def loops(x: Array, scale: Array, bias: Array | None = None, *, axis: int, epsilon: float) -> Array:
    """Follow the formula, one element at a time: two passes over a row, and one to write it."""
    operands = (x, scale) if bias is None else (x, scale, bias)
    dtype, axis = np.result_type(*operands), axis % x.ndim
    wide = accumulator(dtype)
    z, *factors = (np.broadcast_to(o.astype(wide), x.shape) for o in operands)
    y = np.zeros(x.shape, wide)
    for m in np.ndindex(*x.shape[:axis]):
        row = [(*m, *i) for i in np.ndindex(*x.shape[axis:])]
        n, mean, variance = wide.type(len(row)), wide.type(0), wide.type(0)
        for i in row:
            mean += z[i]
        mean /= n
        for i in row:
            difference = z[i] - mean
            variance += difference * difference
        deviation = np.sqrt(variance / n + wide.type(epsilon))
        for i in row:
            value = (z[i] - mean) / deviation * factors[0][i]
            y[i] = value if bias is None else value + factors[1][i]
    return y.astype(dtype)


def counts(
    x: Array, scale: Array, bias: Array | None = None, *, axis: int, epsilon: float
) -> Counts:
    """Count what the loops do."""
    operands = (x, scale) if bias is None else (x, scale, bias)
    dtype, added = np.result_type(*operands), len(operands) - 2
    rows = prod(x.shape[: axis % x.ndim]) if x.size else 0
    return Counts(
        flops=(7 + added) * x.size + 4 * rows,
        value_bytes=sum(o.nbytes for o in operands) * (x.size > 0) + x.size * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=(sum(o.size for o in operands) + x.size) * accumulator(dtype).itemsize,
        calls=(5 + added) * x.size,
    )


def vectorized(
    x: Array,
    scale: Array,
    bias: Array | None = None,
    *,
    axis: int,
    epsilon: float,
    out: Array | None = None,
) -> Array:
    """Compute some rows after another."""
    operands = (x, scale) if bias is None else (x, scale, bias)
    return normalized(operands, axis, epsilon, True, out)


def normalized(
    operands: tuple[Array, ...], axis: int, epsilon: float, centered: bool, out: Array | None
) -> Array:
    """Return rows normalized and scaled, at once where all rows have the same scale and bias.

    Parameters
    ----------
    operands : tuple of ndarray
        X, scale, and perhaps bias.
    axis, epsilon : int, float
        As of the op.
    centered : bool
        Whether the mean is taken off.
    out : ndarray, optional
        Where the result goes.
    """
    x, *others = operands
    dtype = np.result_type(*operands)
    shape = x.shape[axis % x.ndim :]
    n = prod(shape)
    alike = all(prod(o.shape[: max(0, o.ndim - len(shape))]) == 1 for o in others)
    factors = [_as_row(o, shape, dtype) for o in others] if alike else []

    def write(piece: Array, y: Array, rows: slice) -> None:
        normalize(piece, y, epsilon, centered)
        for factor, apply in zip(factors, (np.multiply, np.add), strict=False):
            apply(y, factor, out=y)

    kept = dtype if alike else accumulator(dtype)
    y = in_rows(write, x, (prod(x.shape[: axis % x.ndim]), n, 1), kept, out if alike else None)
    if alike:
        return y
    y *= others[0]
    if len(others) > 1:
        y += others[1]
    if out is None:
        return y.astype(dtype, copy=False)
    out[...] = y
    return out


def _as_row(factor: Array, shape: tuple[int, ...], dtype: DType) -> Array:
    """Return a scale or bias that all rows share, one value for each element of a row."""
    own = factor.reshape(factor.shape[max(0, factor.ndim - len(shape)) :])
    return np.broadcast_to(own, shape).reshape(-1).astype(accumulator(dtype), copy=False)


def normalize(piece: Array, y: Array, epsilon: float, centered: bool) -> None:
    """Write to y the rows of a piece ``[rows, n]``, less their means and over their deviations."""
    count = y.dtype.type(piece.shape[1])
    if centered:
        mean = row_sums(piece)
        mean /= count
        piece = np.subtract(piece, mean, out=y)
    deviation = np.vecdot(piece, piece)[:, None]
    deviation /= count
    deviation += y.dtype.type(epsilon)
    np.sqrt(deviation, out=deviation)
    np.multiply(piece, np.reciprocal(deviation, out=deviation), out=y)


LAYER_NORMALIZATION_DENSE = Kernel(
    LAYER_NORMALIZATION,
    None,
    bytes_moved,
    loops=loops,
    vectorized=Level(vectorized, takes_out=True, device=by_meaning(LAYER_NORMALIZATION)),
    counts=counts,
)
