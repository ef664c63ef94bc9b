"""Rows of dense factors, fetched by number: what sampled products spend most of their time on."""

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.scratch import scratch
from minisparse.kernels.wide import aligned_empty

WHOLE = 20 << 20
"""Bytes up to which a factor that lies otherwise is copied as a whole: three fit into 64 MB."""
STRIP = 16
"""Columns that are turned at once: of float32 a cache line, so that each is written as a whole."""


def gather(use: str, lines: Array, numbers: Array, dtype: DType) -> Array:
    """Return ``lines[numbers]`` in ``dtype``, ``[*numbers.shape, D]``, in memory that is lent.

    Parameters
    ----------
    use : str
        As for :func:`~minisparse.kernels.scratch.scratch`: until this thread asks for it again.
    lines : ndarray, shape (L, D)
        Of any dtype and memory order.
    numbers : ndarray of intp
        Valid row numbers.
    dtype : numpy.dtype
        In which they are wanted.
    """
    near = scratch(use, (*numbers.shape, lines.shape[1]), dtype)
    if lines.dtype == dtype and lines.flags.c_contiguous:
        # "clip" only spares take the copy that it would make to be safe.
        lines.take(numbers, 0, near, "clip")
    else:
        near[...] = lines[numbers]
    return near


def lines_of(x: Array, dtype: DType) -> Array:
    """Return ``x [L, D]`` row by row in memory and in ``dtype``, unless it is too large to copy.

    Examples
    --------
    >>> import numpy as np
    >>> lines_of(np.zeros((2, 3), np.float16).T, np.dtype("float32")).flags.c_contiguous
    True
    """
    if x.size * dtype.itemsize > WHOLE or (x.dtype == dtype and x.flags.c_contiguous):
        return x
    lines = aligned_empty(x.shape, dtype)
    step = x.shape[1] if x.flags.c_contiguous else STRIP
    for d in range(0, x.shape[1], max(step, 1)):
        lines[:, d : d + step] = x[:, d : d + step]
    return lines
