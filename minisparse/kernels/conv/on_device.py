"""Sparse filters where arrays lie on a device: windows as columns, then the product of SpMM.

All columns of some images are laid out at once, ``[C * kh * kw, images * places]``: a device has
the memory for it, and wants few calls with much to do.
"""

import math
from collections.abc import Sequence

from minisparse.core.dtypes import Array, DType
from minisparse.core.xp import namespace
from minisparse.kernels.conv.windows import Windows, windows_of
from minisparse.kernels.entries import AT_ONCE, Entries, multiply, pack
from minisparse.kernels.kernel import Level
from minisparse.kernels.wide import common_dtype, wide_dtype
from minisparse.ops.windows import numbers, places, sliding, taps, with_padding


def run(
    x: Array,
    w: Entries,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
    out: Array | None = None,
) -> Array:
    """Return the convolution of x ``[N, C, H, W]`` with packed filters ``[M, C * kh * kw]``."""
    dtype = common_dtype(x.dtype, w.dtype, None if bias is None else bias.dtype)
    wide = wide_dtype(dtype)
    windows = windows_of(x.shape, kernel_shape, pads, strides, dilations)
    (images, filters), size = (x.shape[0], w.shape[0]), windows.size
    y = namespace(x).empty((images, filters, *size), dtype) if out is None else out
    each = w.shape[1] * size[0] * size[1]
    step = max(1, AT_ONCE // max(each, 1))
    for first in range(0, images, step):
        some = x[first : first + step]
        sums = multiply(w, _columns(some, windows, wide)).reshape(filters, len(some), *size)
        if bias is not None:
            sums += bias.astype(wide, copy=False).reshape(-1, 1, 1, 1)
        y[first : first + step] = sums.swapaxes(0, 1)
    return y


def _columns(x: Array, windows: Windows, wide: DType) -> Array:
    """Return what windows see of some images, ``[C * kh * kw, images * places]``."""
    attrs = {"pads": windows.pads, "strides": windows.strides, "dilations": windows.dilations}
    slide = sliding(attrs, windows.kernel)
    counts = numbers(places(x.shape[2:], slide))
    padded = with_padding(x.astype(wide, copy=False), slide, counts, 0)
    laid: Array = namespace(x).empty((x.shape[1], *windows.kernel, len(x), *counts), wide)
    for (_, *tap), seen in taps(slide, counts):
        laid[(slice(None), *tap)] = padded[seen].swapaxes(0, 1)
    return laid.reshape(x.shape[1] * windows.taps, len(x) * math.prod(counts))


ON_DEVICE = Level(run, pack, takes_out=True)
"""Columns, and :func:`minisparse.kernels.entries.multiply`."""
