"""Depthwise convolution: each channel has a filter of its own, and nothing is summed over channels.

``Y[n, c] = sum_{i, j} W[c, i, j] * X[n, c, i*d::s, j*d::s]``: a pass over a tile for each weight. A
tile holds, for some channels of some images, what each column j of the window sees, margin and all,
as one run of memory; what a weight meets is that run from its row on. So an element is copied kw
times, not kh * kw times. What is computed across the ends of images is wasted. With strides, rows
that are a stride apart are put side by side.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.conv.tiles import SHARED, Result
from minisparse.kernels.conv.windows import Windows
from minisparse.kernels.scratch import scratch
from minisparse.kernels.threads import share, usable_threads

TILE = 1 << 18
"""Elements that are laid out for a tile: they stay near, and are enough for a thread to work on."""
RUN = 1 << 13
"""Elements of a channel that are worth a call: images are put side by side to reach so many."""
EFFORT = 40
"""Multiply-adds of a matrix product that take as long as one here, which passes over memory."""


class _Tile(NamedTuple):
    """A part of the result: some images, channels of X, and rows."""

    images: slice
    channels: slice
    rows: slice


class _Phase(NamedTuple):
    """What of one axis lies a stride apart: from which element on, and where in the tile."""

    seen: slice
    place: slice


def convolve_depthwise(x: Array, w: Array, windows: Windows, result: Result, y: Array) -> None:
    """Write the convolution to y ``[N, C, height, width]``.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        The images.
    w : ndarray, shape (C, kh, kw)
        The filters.
    windows : Windows
        How they slide.
    result : Result
        The dtypes, the bias, and what finishes a tile.
    y : ndarray
        Where it goes.
    """
    w = w.astype(result.wide, copy=False)

    def compute(tile: _Tile) -> None:
        images, channels, rows = tile
        sums = _sums(x, w[channels], tile, windows)
        index = (images, channels, rows, slice(0, y.shape[3]))
        seen = sums[:, :, : rows.stop - rows.start, : y.shape[3]].swapaxes(0, 1)
        if result.bias is not None:
            seen += result.bias[channels, None, None]
        y[index] = seen
        if result.finish is not None:
            result.finish(y[index], index)

    many = EFFORT * w[0].size * y.size >= SHARED
    share(compute, _tiles(x.shape, windows), usable_threads() if many else 1)


def _tall(windows: Windows, places: int) -> int:
    """Return how many rows of one phase are seen from so many places."""
    span = (windows.kernel[0] - 1) * windows.dilations[0]
    return places + span // windows.strides[0]


def _tiles(shape: tuple[int, ...], windows: Windows) -> Iterator[_Tile]:
    """Cut the result: rows where an image is large, else images and channels together."""
    images, channels = shape[:2]
    height, width = windows.size
    most = max(1, TILE // windows.kernel[1])  # elements of the sums
    rows = min(height, max(1, most // width))
    plane = _tall(windows, rows) * width
    some = max(1, min(images, RUN // plane))
    beside = max(1, most // (plane * some))
    for c in range(0, channels, beside):
        for n in range(0, images, some):
            for r in range(0, height, rows):
                yield _Tile(
                    slice(n, min(n + some, images)),
                    slice(c, min(c + beside, channels)),
                    slice(r, min(r + rows, height)),
                )


def _along(windows: Windows, axis: int, start: int, tall: int, phase: int) -> _Phase:
    """Return which elements of an axis are a phase's, and which of its places they take."""
    step, size = windows.strides[axis], windows.shape[2 + axis]
    first = start * step + phase - windows.pads[axis]
    low = min(tall, max(0, -(first // step)))
    high = max(low, min(tall, -((first - size) // step)))
    return _Phase(slice(first + low * step, first + high * step, step), slice(low, high))


def _sums(x: Array, w: Array, tile: _Tile, windows: Windows) -> Array:
    """Return a tile's sums, ``[channels, images, tall, wide]``, with what is wasted at the ends."""
    (kh, kw), sh, dh = windows.kernel, windows.strides[0], windows.dilations[0]
    part = x[tile.images, tile.channels].swapaxes(0, 1)
    tall = _tall(windows, tile.rows.stop - tile.rows.start)
    wide = windows.size[1]
    channels, run = len(part), part.shape[1] * tall * wide
    sums = scratch("depthwise sums", (channels, run), w.dtype)
    step = sh // math.gcd(sh, dh)  # so many weights further down is the same phase again
    for i in range(min(step, kh)):
        row, phase = divmod(i * dh, sh)
        laid = _laid_out(part, (tile.rows.start, tall, wide), phase, windows, w.dtype)
        size, apart = w.itemsize, step * dh // sh * wide
        seen = np.lib.stride_tricks.as_strided(
            laid[row * wide :],
            (len(range(i, kh, step)), kw, channels, run),
            (apart * size, run * size, kw * run * size, size),
            writeable=False,
        )
        # A run lies innermost, so that einsum multiplies and adds along it, weight after weight.
        more = scratch("depthwise product", sums.shape, w.dtype) if i else sums
        np.einsum("ijcl,cij->cl", seen, w[:, i::step], out=more)
        if i:
            sums += more
    return sums.reshape(*part.shape[:2], tall, wide)


def _laid_out(
    part: Array, size: tuple[int, int, int], phase: int, windows: Windows, dtype: DType
) -> Array:
    """Return what each column of the window sees of one phase of rows, as one run of memory.

    Parameters
    ----------
    part : ndarray, shape (channels, images, H, W)
        The images.
    size : tuple of int
        The first row, and how many rows and columns there shall be.
    phase : int
        Which of the rows that are a stride apart.
    windows : Windows
        How they slide.
    dtype : numpy.dtype
        That of the result.

    Returns
    -------
    ndarray
        ``[channels, kw, images, tall, wide]``, flat, and some more that may be anything.
    """
    start, tall, wide = size
    kw, step = windows.kernel[1], windows.strides[1]
    shape = (part.shape[0], kw, part.shape[1], tall, wide)
    flat = scratch("depthwise images", (math.prod(shape) + tall * wide,), dtype)
    laid = flat[: math.prod(shape)].reshape(shape)
    rows = _along(windows, 0, start, tall, phase)
    laid[..., : rows.place.start, :] = 0
    laid[..., rows.place.stop :, :] = 0
    for j in range(kw):
        column, across = divmod(j * windows.dilations[1], step)
        columns = _along(windows, 1, column, wide, across)
        seen = laid[:, j, :, rows.place]
        seen[..., : columns.place.start] = 0
        seen[..., columns.place.stop :] = 0
        seen[..., columns.place] = part[:, :, rows.seen, columns.seen]
    return flat
