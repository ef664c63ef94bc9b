"""Convolution with weights in CSC: a weight (c, i, j) is a column that lists the filters with it.

``Y[n, m, y, x] += data[p] * X[n, c, y*s + i*d - pad, x*s + j*d - pad]`` for the entries p of each
column ``(c * kh + i) * kw + j``, where m is ``indices[p]``: what one shifted image gives to all
filters. The vectorized level packs filter by filter, as CSR's does, and runs the same code.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import CSC
from minisparse.kernels.conv.counts import count_frame, count_seen
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
    w: CSC,
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
    for k in range(w.shape[1]):
        c, i, j = k // (kh * kw), k // kw % kh, k % kw
        for p in range(w.indptr[k], w.indptr[k + 1]):
            m = w.indices[p]
            for n in range(x.shape[0]):
                for row, column in np.ndindex(height, width):
                    at = row * sh + i * dh, column * sw + j * dw
                    result[n, m, row, column] += w.data[p] * x[n, c, *at]
    return result.astype(dtype)


def counts(
    x: Array,
    w: CSC,
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
    steps, weights = places * w.nnz, w.shape[1]
    in_use = np.flatnonzero(np.diff(w.indptr)).tolist()
    seen = 0 if any(windows.pads) else count_seen(windows, in_use) * x.itemsize
    return frame + Counts(
        flops=2 * steps,
        value_bytes=w.data.nbytes * (places > 0) + seen,
        index_bytes=w.indptr.nbytes * (weights > 0) + w.indices.nbytes,
        gathered_bytes=2 * steps * dtype.itemsize,
        scratch=0,
        calls=2 * weights + w.nnz + 4 * steps,
    )


CONV_CSC = Kernel(
    CONV,
    CSC,
    bytes_moved,
    loops=loops,
    vectorized=Level(run, prepare, regrouped_work, fuses=True, device=ON_DEVICE),
    counts=counts,
)
