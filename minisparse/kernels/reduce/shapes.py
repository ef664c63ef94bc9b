"""The shapes that reductions go through, and the last step of each."""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.core.tensor_type import TensorType
from minisparse.ops.reductions import reduced_axes


def bytes_moved(x: TensorType) -> int:
    """Count the stored values and their indices once; the result is small beside them."""
    return x.nnz * (x.itemsize + x.index_itemsize)


def kept_shape(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape with a 1 for every axis that is reduced.

    Examples
    --------
    >>> kept_shape((3, 4), (-1,)), kept_shape((3, 4), None)
    ((3, 1), (1, 1))
    """
    gone = reduced_axes(len(shape), axes)
    return tuple(1 if axis in gone else length for axis, length in enumerate(shape))


def cells_in_each(shape: Sequence[int], axes: Sequence[int] | None) -> int:
    """Return how many cells, stored or not, make one result.

    Examples
    --------
    >>> cells_in_each((3, 4), (0,))
    3
    """
    return int(np.prod([shape[axis] for axis in reduced_axes(len(shape), axes)], dtype=np.int64))


def finished(y: Array, dtype: DType, axes: Sequence[int] | None, keepdims: int) -> Array:
    """Return results of shape :func:`kept_shape`, rounded to ``dtype``, in the shape asked for."""
    y = y.astype(dtype, copy=False)
    return y if keepdims else np.squeeze(y, reduced_axes(y.ndim, axes))
