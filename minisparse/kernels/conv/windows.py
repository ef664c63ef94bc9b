"""Where the windows of a convolution lie, and a view of what they see that copies no window.

Window (n, y, x) sees ``X[n, c, y*s + i*d - p, x*s + j*d - p]`` at (c, i, j). Every index there is a
sum of steps of its own, so that strides alone say where each element lies: the view
``[C, kh, kw, N, height, width]`` has no memory beside the images'. Only their margin of zeros needs
a copy, and that is made slab by slab, so that it stays small whatever the images' size.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.scratch import scratch
from minisparse.ops.dims import window_count

SLAB = 1 << 20
"""Elements of images that are held with their margin at once, beside the rows that the windows of
a single place see: with dilations, or a tall window, these may be more."""


class Box(NamedTuple):
    """Some places of the result: a range of images, of rows and of columns."""

    images: slice
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many images, rows and columns."""
        n, y, x = self
        return n.stop - n.start, y.stop - y.start, x.stop - x.start

    @property
    def places(self) -> int:
        """How many places."""
        images, rows, columns = self.shape
        return images * rows * columns

    def within(self, outer: "Box") -> "Box":
        """Return this box as counted from the corner of one around it."""
        pairs = zip(self, outer, strict=True)
        return Box(*(slice(s.start - o.start, s.stop - o.start) for s, o in pairs))


def cut(box: Box, places: int) -> Iterator[Box]:
    """Yield the parts of a box, of at most so many places and about equally many.

    Whole images where they fit, else rows of one image, else parts of one row: what lies side by
    side in memory stays so.

    Examples
    --------
    >>> whole = Box(slice(0, 1), slice(0, 5), slice(0, 8))
    >>> [part.rows for part in cut(whole, 20)]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    if not box.places:
        return
    if box.places <= places:
        yield box
        return
    _, rows, columns = box.shape
    fit = max(places, 1)
    most = max(1, fit // (rows * columns)), min(rows, max(1, fit // columns)), min(columns, fit)
    pieces = (_even(s, step) for s, step in zip(box, most, strict=True))
    for found in product(*pieces):
        yield Box(*found)


def _even(whole: slice, most: int) -> list[slice]:
    """Cut a range into as few parts of at most ``most`` as there can be, about equally long."""
    length = whole.stop - whole.start
    step = -(-length // -(-length // most))
    starts = range(whole.start, whole.stop, step)
    return [slice(start, min(start + step, whole.stop)) for start in starts]


@dataclass(frozen=True, slots=True)
class Windows:
    """How windows slide over images.

    Attributes
    ----------
    shape : tuple of int
        Of the images, ``[N, C, H, W]``; for loops alone there may be other spatial axes.
    kernel, strides, dilations : tuple of int
        Two numbers each: for rows and for columns.
    pads : tuple of int
        Top, left, bottom, right.
    """

    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    pads: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the result."""
        axes = len(self.kernel)
        return tuple(
            window_count(size, k, stride, apart, self.pads[i] + self.pads[axes + i])
            for i, (size, k, stride, apart) in enumerate(
                zip(self.shape[2:], self.kernel, self.strides, self.dilations, strict=True)
            )
        )

    @property
    def places(self) -> int:
        """How many places the result has, of all images."""
        return self.shape[0] * math.prod(self.size)

    @property
    def box(self) -> Box:
        """All places of the result."""
        height, width = self.size
        return Box(slice(0, self.shape[0]), slice(0, height), slice(0, width))

    @property
    def taps(self) -> int:
        """How many elements of a channel a window sees."""
        return math.prod(self.kernel)

    def slabs(self, x: Array, channels: Array | None, dtype: DType) -> Iterator[tuple[Box, Array]]:
        """Yield boxes that make up the result, each with the view of what its windows see.

        Parameters
        ----------
        x : ndarray, shape (N, C, H, W)
            The images.
        channels : ndarray of int, optional
            Which of them are seen; None: all.
        dtype : numpy.dtype
            That of the views.

        Yields
        ------
        box : Box
            Some places.
        view : ndarray, shape (C, kh, kw, images, rows, columns)
            What the windows there see; valid until the next one is asked for.
        """
        if not any(self.pads) and channels is None and x.dtype == dtype:
            yield self.box, self._view(x, self.box.shape)
            return
        seen = x.shape[1] if channels is None else len(channels)
        steps = self.strides[0] * self.strides[1]
        for box in cut(self.box, SLAB // max(seen * steps, 1)):
            yield box, self._view(self._padded(x, channels, dtype, box), box.shape)

    def _view(self, x: Array, places: tuple[int, int, int]) -> Array:
        """Return the view of images that have their margin."""
        n, c, h, w = x.strides
        (sh, sw), (dh, dw) = self.strides, self.dilations
        shape = (x.shape[1], *self.kernel, *places)
        strides = (c, h * dh, w * dw, n, h * sh, w * sw)
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)

    def _padded(self, x: Array, channels: Array | None, dtype: DType, box: Box) -> Array:
        """Return what the windows of a box see of the images, and zeros around these."""
        first, sizes, inner, outer = [], [], [], []
        for axis, places in enumerate((box.rows, box.columns)):
            step, apart = self.strides[axis], self.dilations[axis]
            start = places.start * step - self.pads[axis]
            size = (places.stop - places.start - 1) * step + (self.kernel[axis] - 1) * apart + 1
            low = min(max(0, -start), size)
            high = max(low, min(size, self.shape[2 + axis] - start))
            first.append(start)
            sizes.append(size)
            inner.append(slice(low, high))
            outer.append(slice(start + low, start + high))
        part = x[box.images, :, outer[0], outer[1]]
        if channels is not None:
            part = part[:, channels]
        wider = scratch("conv padded", (*part.shape[:2], *sizes), dtype)
        rows, columns = inner
        wider[:, :, : rows.start] = 0
        wider[:, :, rows.stop :] = 0
        wider[:, :, rows, : columns.start] = 0
        wider[:, :, rows, columns.stop :] = 0
        wider[:, :, rows, columns] = part
        return wider


def windows_of(
    shape: tuple[int, ...],
    kernel: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
) -> Windows:
    """Return the windows that an op's attributes describe, where None is no padding or ones.

    Examples
    --------
    >>> windows_of((1, 1, 5, 5), (3, 3), None, (2, 2), None).size
    (2, 2)
    """
    ones = (1,) * len(kernel)
    return Windows(
        shape,
        tuple(kernel),
        tuple(pads or 2 * (0,) * len(kernel)),
        tuple(strides or ones),
        tuple(dilations or ones),
    )


def padded(x: Array, pads: Sequence[int], dtype: DType) -> Array:
    """Return all images with a margin of zeros, in ``dtype``: what loops run over."""
    axes = len(pads) // 2
    margins = ((0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True))
    wider = np.pad(x, margins) if any(pads) else x
    return wider.astype(dtype, copy=False)
