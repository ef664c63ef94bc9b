"""In what a kernel sums: the accumulator's dtype, and the one rounding to the result's dtype."""

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator


def common_dtype(*operands: Array | DType | None) -> DType:
    """Return the result's dtype, of operands of which some may be left out.

    Examples
    --------
    >>> common_dtype(np.zeros(3, "float16"), np.dtype("float32"), None)
    dtype('float32')
    """
    return np.result_type(*[x for x in operands if x is not None])


def wide_dtype(*arrays: Array | DType) -> DType:
    """Return the dtype in which products of these arrays are summed.

    Examples
    --------
    >>> wide_dtype(np.zeros(3, "float16"), np.zeros(3, "float16"))
    dtype('float32')
    """
    return accumulator(np.result_type(*arrays))


def widen(*arrays: Array) -> tuple[Array, ...]:
    """Return the arrays in the dtype in which their products are summed; copied only if need be."""
    dtype = wide_dtype(*arrays)
    return tuple(array.astype(dtype, copy=False) for array in arrays)


def aligned_empty(shape: tuple[int, ...], dtype: DType) -> Array:
    """Return an uninitialized array that starts at a cache line.

    ``np.take`` of rows of a few cache lines is up to twice as fast if no row straddles one more.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def all_finite(x: Array) -> bool:
    """Tell whether no element is infinite or NaN.

    Examples
    --------
    >>> all_finite(np.array([1e300, 2.0])), all_finite(np.array([1.0, np.nan]))
    (True, False)
    """
    return x.dtype.kind not in "fc" or bool(np.isfinite(x).all())
