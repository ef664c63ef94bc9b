"""Convolution with weights in n:m: n of every m neighboring weights of a filter are stored.

``Y[n, m, y, x] = sum_p data[m, p] * X[n, c, y*s + i*d - pad, x*s + j*d - pad]`` over the slots p of
filter m, where ``(c * kh + i) * kw + j`` is ``p // w.n * w.m + positions[m, p]``. The vectorized
level packs as CSR's does; at 2:4 as one matrix, which is dense.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import NM
from minisparse.kernels.conv.counts import count_frame
from minisparse.kernels.conv.filters import prepare, run
from minisparse.kernels.conv.on_device import ON_DEVICE
from minisparse.kernels.conv.windows import padded, windows_of
from minisparse.kernels.conv.work import bytes_moved, panels_work
from minisparse.kernels.counts import Counts, inside_groups
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.wide import common_dtype, wide_dtype
from minisparse.ops import CONV


def loops(
    x: Array,
    w: NM,
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
        for p in range(w.data.shape[1]):
            k = p // w.n * w.m + int(w.positions[m, p])
            if k >= w.shape[1]:
                continue  # padding of a last group that reaches beyond the matrix
            c, i, j = k // (kh * kw), k // kw % kh, k % kw
            seen = row * sh + i * dh, column * sw + j * dw
            result[n, m, row, column] += w.data[m, p] * x[n, c, *seen]
    return result.astype(dtype)


def counts(
    x: Array,
    w: NM,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Counts:
    """Count what the loops do: for each place, every weight that is no padding meets an element."""
    dtype = common_dtype(x, w.data, bias)
    kh, kw = kernel_shape
    windows = windows_of(x.shape, (kh, kw), pads, strides, dilations)
    places = windows.box.places
    stored = int(np.count_nonzero(inside_groups(w)))
    steps = places * stored
    return count_frame(x, bias, windows, w.shape[0], dtype) + Counts(
        flops=2 * steps,
        value_bytes=stored * w.data.itemsize * (places > 0),
        index_bytes=w.positions.nbytes * (places > 0),
        gathered_bytes=steps * x.itemsize,
        scratch=0,
        calls=places * w.nnz + 4 * steps,
    )


CONV_NM = Kernel(
    CONV,
    NM,
    bytes_moved,
    loops=loops,
    vectorized=Level(run, prepare, panels_work, fuses=True, device=ON_DEVICE),
    counts=counts,
)
