"""A function of each element, computed piece by piece, so that what is between stays in cache."""

from collections.abc import Callable

import numpy as np

from minisparse.core.dtypes import Array, DType, accumulator
from minisparse.core.xp import namespace
from minisparse.kernels.threads import share, usable_threads

PIECE = 2**15
"""Elements in a piece: a few arrays of so many fit a core's own cache."""
_SHARED = 2**17
"""Elements in a piece where threads share the work: with fewer they wait for each other between the
calls of a piece."""

Function = Callable[[Array, Array], object]


def in_pieces(function: Function, x: Array, out: Array | None) -> Array:
    """Return ``function`` of x, computed in the accumulator's dtype and rounded once.

    Parameters
    ----------
    function : callable
        From a 1-D array of the accumulator's dtype and another of the same shape into which it
        writes. They may be the same memory, and the first may be read-only: what the function
        still has to read, it must not have written over. For large arrays it is called on
        several threads.
    x : ndarray
        Any shape and strides.
    out : ndarray, optional
        Where the result goes; x itself for work in place.
    """
    xp, wide = namespace(x), accumulator(x.dtype)
    y = xp.empty(x.shape, x.dtype) if out is None else out
    apart = out is None or out is x or not xp.may_share_memory(x, out)
    if apart and x.flags.c_contiguous and y.flags.c_contiguous:
        given, result = x.reshape(-1), y.reshape(-1)
        if xp is not np or x.size <= PIECE:
            _on_one(function, given, result, wide)
            return y
        threads = usable_threads() if x.size >= 2 * _SHARED else 1
        length = _SHARED if threads > 1 else PIECE
        pieces = [slice(at, at + length) for at in range(0, x.size, length)]
        share(lambda piece: _on_one(function, given[piece], result[piece], wide), pieces, threads)
        return y
    if xp is not np:
        y[...] = in_pieces(function, xp.ascontiguousarray(x), None)
        return y
    _on_strided(function, x, y, wide)
    return y


def _on_one(function: Function, x: Array, y: Array, wide: DType) -> None:
    """Compute a piece, in a wider dtype if need be."""
    if y.dtype == wide:
        function(x, y)
        return
    given = x.astype(wide)
    function(given, given)
    y[...] = given


def _on_strided(function: Function, x: Array, y: Array, wide: DType) -> None:
    """Compute pieces that an iterator gathers and scatters."""
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
            function(piece, result)
