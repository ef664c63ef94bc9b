"""Windows as columns: what they see side by side, so that a convolution is a matrix product.

Column (n, y, x) lists what the filter sees at that place, in the order of its weights (c, i, j).
An element is copied as often as windows hold it, up to kh * kw times: the price for a large
product (im2col; Chellapilla, Puri, Simard, "High performance convolutional neural networks for
document processing", 2006). Here never all columns exist: those of a tile of places are laid out,
multiplied, and overwritten by the next tile's. Rows that no weight uses are not laid out at all.
"""

from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.conv.windows import Windows
from minisparse.kernels.scratch import scratch


class Tap(NamedTuple):
    """The rows that look at one place (i, j) of the window, one of each channel in use.

    Attributes
    ----------
    i, j : int
        Which.
    rows : slice
        Which rows of the columns these are, evenly spaced.
    """

    i: int
    j: int
    rows: slice


class Layout(NamedTuple):
    """Which rows columns have.

    Attributes
    ----------
    rows : int
        How many.
    laid : int
        How many are copied from the images.
    channels : ndarray of int, or None
        The channels that any of them looks at; None: all.
    taps : tuple of Tap, or None
        Where rows come from; None: there is one for each channel and each place of the window.
    picked : ndarray of int, or None
        Which of these rows are wanted, where neither all are nor the same of each channel.
    """

    rows: int
    laid: int
    channels: Array | None = None
    taps: tuple[Tap, ...] | None = None
    picked: Array | None = None


def layout_of(used: Array | None, windows: Windows) -> Layout:
    """Return the layout of the rows that weights use.

    Parameters
    ----------
    used : ndarray of int, or None
        Ascending ``(c * kh + i) * kw + j``; None: all.
    windows : Windows
        What kh and kw are.
    """
    if used is None:
        return Layout(windows.shape[1] * windows.taps, windows.shape[1] * windows.taps)
    channel, rows = used // windows.taps, len(used)
    begins = np.ones(rows, bool)
    begins[1:] = channel[1:] != channel[:-1]
    channels = channel[begins]
    laid = len(channels) * windows.taps
    if laid == rows:
        return Layout(rows, laid, channels)
    tap = used - channel * windows.taps
    taps = _taps(tap, channels, windows.kernel[1])
    if taps is not None:
        return Layout(rows, rows, channels, taps)
    # Row by row would take several times as long as all rows of these channels in one go.
    number = np.cumsum(begins) - 1
    return Layout(rows, laid, channels, picked=number * windows.taps + tap)


def _taps(tap: Array, channels: Array, width: int) -> tuple[Tap, ...] | None:
    """Return the taps where every channel in use has the same; None where they differ."""
    each = len(tap) // max(len(channels), 1)
    if each * len(channels) != len(tap):
        return None
    by_channel = tap.reshape(len(channels), each)
    if len(channels) and not (by_channel == by_channel[0]).all():
        return None
    found = by_channel[0].tolist() if len(channels) else []
    return tuple(
        Tap(at // width, at % width, slice(place, len(tap), each)) for place, at in enumerate(found)
    )


def lay_out(view: Array, layout: Layout, group: int | None = None) -> Array:
    """Return the columns of a tile, ``[rows, places]``.

    Parameters
    ----------
    view : ndarray, shape (C, kh, kw, images, rows, columns)
        What the windows of the tile see, of the channels in use.
    layout : Layout
        Which rows to lay out.
    group : int, optional
        Rows shall be contiguous, and a multiple of so many, the last of them zeros.

    Returns
    -------
    ndarray
        Valid until the next tile of this thread. Windows of one element on one image are a view of
        the image where that is possible and ``group`` is not given.
    """
    images, rows, columns = view.shape[3:]
    places = images * rows * columns
    plain = layout.taps is None and layout.picked is None
    if group is None and plain and view.shape[1:4] == (1, 1, 1):
        return view.reshape(layout.rows, places)
    height = -(-layout.rows // (group or 1)) * (group or 1)
    laid = scratch("conv columns", (height, places), view.dtype)
    laid[layout.rows :] = 0
    if plain:
        laid[: layout.rows].reshape(view.shape)[...] = view
    elif layout.picked is not None:
        every = scratch("conv windows", view.shape, view.dtype)
        every[...] = view
        every.reshape(layout.laid, places).take(layout.picked, 0, laid[: layout.rows], "clip")
    for tap in layout.taps or ():
        by_place = laid.reshape(height, images, rows, columns)
        by_place[tap.rows] = view[:, tap.i, tap.j]
    return laid
