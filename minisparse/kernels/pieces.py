"""A function of each element, computed piece by piece, so that what is between stays in cache."""

from collections.abc import Callable

import numpy as np

from minisparse.core.dtypes import Array, accumulator
from minisparse.core.xp import namespace

PIECE = 2**14
"""Elements in a piece: a few arrays of so many fit a core's own cache."""


def in_pieces(function: Callable[[Array], Array], x: Array, out: Array | None) -> Array:
    """Return ``function`` of x, computed in the accumulator's dtype and rounded once.

    Parameters
    ----------
    function : callable
        From a 1-D array of the accumulator's dtype to one of the same shape; it may be given a
        read-only view of x.
    x : ndarray
        Any shape and strides.
    out : ndarray, optional
        Where the result goes; x itself for work in place.
    """
    if namespace(x) is not np:
        result = function(x.astype(accumulator(x.dtype)).reshape(-1)).reshape(x.shape)
        if out is None:
            return result.astype(x.dtype, copy=False)
        out[...] = result
        return out
    y = np.empty(x.shape, x.dtype) if out is None else out
    wide = accumulator(x.dtype)
    if x.ndim == 1 and len(x) <= PIECE:  # too small for an iterator to pay
        y[...] = function(x.astype(wide, copy=False))
        return y
    pieces = np.nditer(
        [x, y],
        ["external_loop", "buffered", "zerosize_ok", "copy_if_overlap"],
        [
            ["readonly", "overlap_assume_elementwise"],
            ["writeonly", "overlap_assume_elementwise"],
        ],
        [wide, wide],
        "K",
        "unsafe",
        buffersize=PIECE,
    )
    with pieces:
        for piece, result in pieces:
            result[...] = function(piece)
    return y
