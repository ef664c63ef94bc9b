"""A convolution tile by tile: sums, bias, rounding and epilogue, all while the tile is near.

A tile is a box of places of the result, all filters at once. How it is filled is the caller's
business: by columns and a product, or directly. No two tiles share a write, so threads may take
turns; how the work is cut depends on sizes alone, and so does every sum's order.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.conv.windows import Box, Windows, cut
from minisparse.kernels.kernel import Finish
from minisparse.kernels.scratch import scratch
from minisparse.kernels.threads import share, usable_threads

SHARED = 4e7
"""From so many multiply-adds on, threads share the tiles; below, to hand them over costs more."""
SHARED_PRODUCTS = 6e7
"""The same where a tile is one product, which BLAS shares between cores by itself."""


class Filling(NamedTuple):
    """How tiles are filled.

    Attributes
    ----------
    fill : callable
        ``fill(view, sums)`` writes to ``sums`` ``[M, places]`` what filters make of the windows in
        ``view`` ``[C, kh, kw, images, rows, columns]``.
    filters : int
        M.
    channels : ndarray of int, or None
        Which channels the view shall have; None: all.
    places : int
        How many places a tile has at most.
    effort : float
        Multiply-adds for one place, or what takes as long.
    shared_from : float
        From so much effort for all places on, threads share the tiles.
    """

    fill: Callable[[Array, Array], None]
    filters: int
    channels: Array | None
    places: int
    effort: float
    shared_from: float = SHARED


class Result(NamedTuple):
    """What is to come of a tile's sums.

    Attributes
    ----------
    dtype, wide : numpy.dtype
        That of the result, and that of the sums.
    bias : ndarray, shape (M,), or None
        Added before the one rounding.
    out : ndarray, or None
        Where the result goes; None: to a new array.
    finish : Finish, or None
        Applied to each tile after the rounding.
    """

    dtype: DType
    wide: DType
    bias: Array | None
    out: Array | None
    finish: Finish | None


def convolve(x: Array, windows: Windows, filling: Filling, result: Result) -> Array:
    """Return ``[N, M, height, width]``.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        The images.
    windows : Windows
        How windows slide over them.
    filling : Filling
        How tiles are filled.
    result : Result
        What is to come of them.
    """
    shape = (x.shape[0], filling.filters, *windows.size)
    y = np.empty(shape, result.dtype) if result.out is None else result.out
    many = filling.effort * windows.box.places >= filling.shared_from
    for slab, view in windows.slabs(x, filling.channels, result.wide):

        def compute(box: Box, slab: Box = slab, view: Array = view) -> None:
            inner = box.within(slab)
            _tile(filling, view[:, :, :, *inner], y, box, result)

        share(compute, cut(slab, filling.places), usable_threads() if many else 1)
    return y


def _tile(filling: Filling, view: Array, y: Array, box: Box, result: Result) -> None:
    """Compute one tile, and write it to its place."""
    images, rows, columns = box.shape
    index = (box.images, slice(0, filling.filters), box.rows, box.columns)
    sums = _in_place(y, box, result.wide)
    there = sums is not None
    if sums is None:
        sums = scratch("conv products", (filling.filters, box.places), result.wide)
    filling.fill(view, sums)
    if result.bias is not None:
        sums += result.bias[:, None]
    if not there:
        by_filter = sums.reshape(filling.filters, images, rows, columns)
        y[index] = by_filter.transpose(1, 0, 2, 3)
    if result.finish is not None:
        result.finish(y[index], index)


def _in_place(y: Array, box: Box, wide: DType) -> Array | None:
    """Return the tile's place in the result as ``[M, places]``, if its rows lie there as such."""
    images, rows, columns = box.shape
    if images > 1 or columns < y.shape[3] or y.dtype != wide or not y.flags.c_contiguous:
        return None
    start = box.rows.start * columns
    plane: Array = y[box.images.start].reshape(y.shape[1], -1)
    return plane[:, start : start + rows * columns]
