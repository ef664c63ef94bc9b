"""What the loops of all convolutions do alike: the images' margin, the bias, and the result."""

import math
from collections.abc import Iterable

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.kernels.conv.windows import Windows
from minisparse.kernels.counts import Counts
from minisparse.kernels.wide import wide_dtype


def count_frame(
    x: Array, bias: Array | None, windows: Windows, filters: int, dtype: DType
) -> Counts:
    """Count all but the weights and what they meet, where the bias is read for each result.

    Parameters
    ----------
    x : ndarray, shape (N, C, *spatial)
        The images.
    bias : ndarray, shape (M,), optional
        One value a filter.
    windows : Windows
        How windows slide over the images.
    filters : int
        M.
    dtype : numpy.dtype
        Of the result.
    """
    wide, results = wide_dtype(dtype), windows.places * filters
    axes = len(windows.kernel)
    margins = zip(windows.pads[:axes], windows.pads[axes:], strict=True)
    sizes = (size + sum(margin) for size, margin in zip(x.shape[2:], margins, strict=True))
    padded = x.shape[0] * x.shape[1] * math.prod(sizes)
    margin = padded * x.itemsize if any(windows.pads) else 0
    read = x.nbytes if margin else 0
    if bias is not None and results:
        read += bias.nbytes
    return Counts(
        flops=0,
        value_bytes=read + margin + results * dtype.itemsize,
        index_bytes=0,
        gathered_bytes=0,
        scratch=margin + padded * wide.itemsize * (x.dtype != wide) + results * wide.itemsize,
        calls=(bool(any(windows.pads))) + (0 if bias is None else 2 * results),
    )


def count_seen(windows: Windows, weights: Iterable[int]) -> int:
    """Return how many elements of the images, margin and all, are seen by some of the weights.

    Parameters
    ----------
    windows : Windows
        How windows slide over the images.
    weights : iterable of int
        Columns of the matrix of filters: ``(c * kh + i) * kw + j``.

    Examples
    --------
    >>> windows = Windows((1, 1, 4, 4), (3, 3), (0, 0, 0, 0), (1, 1), (1, 1))
    >>> count_seen(windows, [0]), count_seen(windows, [0, 1])
    (4, 6)
    """
    images, channels, height, width = windows.shape
    top, left, bottom, right = windows.pads
    rows, columns = (
        np.arange(size) * s for size, s in zip(windows.size, windows.strides, strict=True)
    )
    seen = np.zeros((channels, height + top + bottom, width + left + right), bool)
    for weight in weights:
        c, place = divmod(weight, windows.taps)
        i, j = divmod(place, windows.kernel[1])
        down, across = rows + i * windows.dilations[0], columns + j * windows.dilations[1]
        seen[c, down[:, None], across] = True
    return images * int(np.count_nonzero(seen))


def count_seen_by_all(windows: Windows) -> int:
    """Return how many elements of images without a margin are seen by any weight.

    Along each axis they are the same, whatever the place along the others.

    Examples
    --------
    >>> count_seen_by_all(Windows((1, 1, 4, 5), (1, 2), (0, 0, 0, 0), (2, 3), (1, 1)))
    8
    """
    seen = windows.shape[0] * windows.shape[1]
    for axis, places in enumerate(windows.size):
        starts = np.arange(places)[:, None] * windows.strides[axis]
        taps = np.arange(windows.kernel[axis]) * windows.dilations[axis]
        seen *= len(np.unique(starts + taps))
    return seen
