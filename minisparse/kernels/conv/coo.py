"""Convolution with weights in COO: entry by entry, in stored order.

``Y[n, row[p], y, x] += data[p] * X[n, c, y*s + i*d - pad, x*s + j*d - pad]`` for every entry p,
where ``col[p]`` is ``(c * kh + i) * kw + j``. The vectorized level packs filter by filter, as CSR's
does, and runs the same code.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import COO
from minisparse.kernels.conv.counts import count_frame
from minisparse.kernels.conv.filters import prepare, run
from minisparse.kernels.conv.on_device import ON_DEVICE
from minisparse.kernels.conv.windows import padded, windows_of
from minisparse.kernels.conv.work import bytes_moved, regrouped_work
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.wide import common_dtype, wide_dtype
from minisparse.ops import CONV


def loops(
    x: Array,
    w: COO,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = common_dtype(x, w.data, bias)
    kh, kw = kernel_shape
    windows = windows_of(x.shape, (kh, kw), pads, strides, dilations)
    (height, width), (sh, sw), (dh, dw) = windows.size, windows.strides, windows.dilations
    x = padded(x, windows.pads, wide_dtype(dtype))
    result = np.zeros((x.shape[0], w.shape[0], height, width), x.dtype)
    if bias is not None:
        for m in range(w.shape[0]):
            result[:, m] = bias[m]
    for p in range(len(w.data)):
        m, k = w.row[p], w.col[p]
        c, i, j = k // (kh * kw), k // kw % kh, k % kw
        for n in range(x.shape[0]):
            for row, column in np.ndindex(height, width):
                at = row * sh + i * dh, column * sw + j * dw
                result[n, m, row, column] += w.data[p] * x[n, c, *at]
    return result.astype(dtype)


def counts(
    x: Array,
    w: COO,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Counts:
    """Count what the loops do: every weight scatters to all places of its filter."""
    dtype = common_dtype(x, w.data, bias)
    kh, kw = kernel_shape
    windows = windows_of(x.shape, (kh, kw), pads, strides, dilations)
    places = windows.box.places
    frame = count_frame(x, None, windows, w.shape[0], dtype)
    if bias is not None:
        frame += Counts(0, bias.nbytes, 0, 0, 0, calls=2 * w.shape[0])
    steps = places * w.nnz
    return frame + Counts(
        flops=2 * steps,
        value_bytes=w.data.nbytes * (places > 0),
        index_bytes=w.row.nbytes + w.col.nbytes,
        gathered_bytes=steps * (x.itemsize + 2 * dtype.itemsize),
        scratch=0,
        calls=2 * w.nnz + 4 * steps,
    )


CONV_COO = Kernel(
    CONV,
    COO,
    bytes_moved,
    loops=loops,
    vectorized=Level(run, prepare, regrouped_work, fuses=True, device=ON_DEVICE),
    counts=counts,
)
