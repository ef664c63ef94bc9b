"""Convolutions over one spatial axis, or over more than two, as convolutions of images.

A sound ``[N, C, L]`` is an image of one row. Of a volume the first spatial axis becomes images and
channels: at place z of the result, the windows see kd planes of each channel, so that each z is an
image of ``C * kd`` channels, and filters ``[M, C, kd, kh, kw]`` are ``[M, C * kd, kh, kw]``. Each
plane is copied kd times, image by image.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.conv.windows import Windows, windows_of
from minisparse.kernels.kernel import Finish

Convolution = Callable[[Array, Array, Windows, Array, Finish | None], None]
"""``(x, w, windows, out, finish)``: a convolution of images that writes to ``out``."""


class Folded(NamedTuple):
    """A convolution over other axes than two, to be written to an array.

    Attributes
    ----------
    x, w : ndarray
        ``[N, C, *spatial]`` and ``[M, C / group, *kernel]``.
    windows : Windows
        How they slide.
    out : ndarray
        Where the result goes.
    finish : Finish or None
        Applied to each tile of the result.
    """

    x: Array
    w: Array
    windows: Windows
    out: Array
    finish: Finish | None


def fold(convolve: Convolution, given: Folded) -> None:
    """Compute a convolution of any number of spatial axes by one of images."""
    axes = given.x.ndim - 2
    if axes == 2:
        convolve(*given)
    elif axes == 1:
        convolve(*_one_row(given))
    else:
        for image in range(given.x.shape[0]):
            fold(convolve, _planes(given, image))


def _one_row(given: Folded) -> Folded:
    """Return a convolution of sounds as one of images that have one row."""
    x, w, windows, out, finish = given
    image = x[:, :, None]
    (begin, end) = windows.pads
    kernel, pads = (1, *windows.kernel), (0, begin, 0, end)
    seen = Windows(image.shape, kernel, pads, (1, *windows.strides), (1, *windows.dilations))

    def finish_row(tile: Array, index: tuple[slice, ...]) -> None:
        assert finish is not None
        finish(tile[:, :, 0], (*index[:2], index[3]))

    return Folded(image, w[:, :, None], seen, out[:, :, None], finish and finish_row)


def _planes(given: Folded, image: int) -> Folded:
    """Return the convolution of one of the images, its first spatial axis folded away."""
    x, w, windows, out, finish = given
    axes, (channels, depth) = len(windows.kernel), x.shape[1:3]
    begin, kd, count = windows.pads[0], windows.kernel[0], windows.size[0]
    first = np.arange(count)[:, None] * windows.strides[0] - begin
    plane = first + np.arange(kd) * windows.dilations[0]
    inside = (plane >= 0) & (plane < depth)
    seen = x[image].swapaxes(0, 1)[np.where(inside, plane, 0)]  # [count, kd, C, ...]
    seen[~inside] = 0
    folded = seen.swapaxes(1, 2).reshape(count, channels * kd, *x.shape[3:])
    pads = (*windows.pads[1:axes], *windows.pads[axes + 1 :])
    fewer = windows_of(
        folded.shape, windows.kernel[1:], pads, windows.strides[1:], windows.dilations[1:]
    )

    def finish_planes(tile: Array, index: tuple[slice, ...]) -> None:
        assert finish is not None
        z, filters, *rest = index
        finish(tile.swapaxes(0, 1)[None], (slice(image, image + 1), filters, z, *rest))

    filters = w.reshape(w.shape[0], w.shape[1] * kd, *w.shape[3:])
    return Folded(folded, filters, fewer, out[image].swapaxes(0, 1), finish and finish_planes)
