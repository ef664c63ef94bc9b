"""Convolution with weights in CSR: a filter is a row ``[C * kh * kw]`` that lists what it looks at.

``Y[n, m, y, x] = sum_p data[p] * X[n, c, y*s + i*d - pad, x*s + j*d - pad]`` over the stored
entries p of row m, where ``indices[p]`` is ``(c * kh + i) * kw + j``: direct sparse convolution
(Park et al., "Faster CNNs with direct sparse convolutions and guided pruning", ICLR 2017). The
vectorized level lays the windows out as columns, NumPy being fast at large products only.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import CSR
from minisparse.kernels.conv.counts import count_frame
from minisparse.kernels.conv.filters import prepare, run
from minisparse.kernels.conv.on_device import ON_DEVICE
from minisparse.kernels.conv.windows import padded, windows_of
from minisparse.kernels.conv.work import bytes_moved, panels_work
from minisparse.kernels.counts import Counts
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.wide import common_dtype, wide_dtype
from minisparse.ops import CONV


def loops(
    x: Array,
    w: CSR,
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
    for n, m, row, column in np.ndindex(result.shape):
        if bias is not None:
            result[n, m, row, column] = bias[m]
        for p in range(w.indptr[m], w.indptr[m + 1]):
            c, i, j = w.indices[p] // (kh * kw), w.indices[p] // kw % kh, w.indices[p] % kw
            seen = row * sh + i * dh, column * sw + j * dw
            result[n, m, row, column] += w.data[p] * x[n, c, *seen]
    return result.astype(dtype)


def counts(
    x: Array,
    w: CSR,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Counts:
    """Count what the loops do: for each place, every weight meets one element of its window."""
    dtype = common_dtype(x, w.data, bias)
    kh, kw = kernel_shape
    windows = windows_of(x.shape, (kh, kw), pads, strides, dilations)
    places = windows.box.places
    steps = places * w.nnz
    read = w.indptr.nbytes * (w.shape[0] > 0) + w.indices.nbytes
    return count_frame(x, bias, windows, w.shape[0], dtype) + Counts(
        flops=2 * steps,
        value_bytes=w.data.nbytes * (places > 0),
        index_bytes=read * (places > 0),
        gathered_bytes=steps * x.itemsize,
        scratch=0,
        calls=2 * places * w.shape[0] + 7 * steps,
    )


CONV_CSR = Kernel(
    CONV,
    CSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(run, prepare, panels_work, fuses=True, device=ON_DEVICE),
    counts=counts,
)
