"""Work on an array row by row along any axis, some rows at a time, on more than one thread.

A piece is ``[rows, n]`` where the axis is the last, else ``[outer, n, inner]``: its axis 1 is that
along which is summed. Two arrays of a piece's size stay in a core's own cache; with smaller ones
the threads would wait for each other between the calls.
"""

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.xp import asarray
from minisparse.kernels.threads import share, usable_threads

AT_ONCE = 1 << 17
"""Elements in a piece."""
_SHARED = 1 << 18
"""Elements from which another thread pays."""

Write = Callable[[Array, Array, slice], None]
"""``write(piece, y, rows)``: from a piece of x, in the accumulator's dtype and read-only, to y of
the same shape; ``rows`` says which of x's it has. It is called on several threads."""
Rows = tuple[int, int, int]
"""How many rows lie outside of an axis, how long it is, and how many elements lie inside of it."""


def rows_along(shape: tuple[int, ...], axis: int) -> Rows:
    """Return a shape as three numbers, with an axis in the middle.

    Examples
    --------
    >>> rows_along((2, 3, 4, 5), -2)
    (6, 4, 5)
    """
    axis %= len(shape)
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def in_rows(write: Write, x: Array, rows: Rows, dtype: DType, out: Array | None) -> Array:
    """Return an array of x's shape, written piece by piece.

    Parameters
    ----------
    write : callable
        As :data:`Write` says.
    x : ndarray
        Any shape and strides.
    rows : tuple of int
        As what it is seen, in C order.
    dtype : numpy.dtype
        The result's; its accumulator's is computed in.
    out : ndarray, optional
        Where the result goes.

    Examples
    --------
    >>> def write(piece, y, rows):
    ...     y[...] = piece - piece.max(axis=1, keepdims=True)
    >>> x = np.array([[1.0, 3.0], [4.0, 2.0]])
    >>> in_rows(write, x, rows_along(x.shape, 0), x.dtype, None)
    array([[-3.,  0.],
           [ 0., -1.]])
    """
    direct = out is not None and out.flags.c_contiguous and not np.may_share_memory(x, out)
    y = out if out is not None and direct else np.empty(x.shape, dtype)
    wide = accumulator(dtype)

    def one(piece: tuple[Array, Array, slice]) -> None:
        given, target, which = piece
        given = given.astype(wide, copy=False)
        if target.dtype == wide:
            write(given, target, which)
        else:
            found = np.empty(target.shape, wide)
            write(given, found, which)
            target[...] = found

    if x.size:
        threads = usable_threads() if x.size >= _SHARED else 1
        share(one, _pieces(np.ascontiguousarray(x), y, rows), threads)
    if out is None or direct:
        return y
    out[...] = y
    return out


def _pieces(x: Array, y: Array, rows: Rows) -> Iterator[tuple[Array, Array, slice]]:
    """Yield pieces of two arrays at the same places, and which rows they have."""
    outer, n, inner = rows
    columns = min(inner, max(64, AT_ONCE // n))
    step = max(1, AT_ONCE // (n * columns))
    shape = (outer, n) if inner == 1 else rows
    x, y = x.reshape(shape), y.reshape(shape)
    for i in range(0, outer, step):
        which = slice(i, min(i + step, outer))
        if inner == 1:
            yield x[which], y[which], which
            continue
        for j in range(0, inner, columns):
            yield x[which, :, j : j + columns], y[which, :, j : j + columns], which


def row_sums(x: Array) -> Array:
    """Return the sums along axis 1 of a piece, which keeps length 1.

    Those of a matrix are its product with ones: BLAS is faster at it than NumPy's own sum.

    Examples
    --------
    >>> row_sums(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3.],
           [7.]])
    """
    if x.ndim == 2:
        sums: Array = x @ np.ones(x.shape[1], x.dtype)
        return sums[:, None]
    return asarray(x.sum(axis=1, keepdims=True))
