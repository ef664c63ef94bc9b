"""Convolution with weights in BSR: filters in groups of r that look at the same c weights.

``Y[n, m, y, x] = sum_{p, q} data[p, m % r, q] * X[n, c, y*s + i*d - pad, x*s + j*d - pad]`` over
the blocks p of block row ``m // r`` and their columns q, where the q-th of block p is the weight
``(c * kh + i) * kw + j``. The vectorized level lays the windows out as columns, and a block row is
one dense product on them, as in SpMM.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.formats import BSR
from minisparse.kernels.conv.counts import count_frame, count_seen
from minisparse.kernels.conv.filters import prepare_blocks, run
from minisparse.kernels.conv.on_device import ON_DEVICE
from minisparse.kernels.conv.windows import padded, windows_of
from minisparse.kernels.conv.work import blocks_work, bytes_moved
from minisparse.kernels.counts import Counts, inside_blocks
from minisparse.kernels.kernel import Kernel, Level
from minisparse.kernels.wide import common_dtype, wide_dtype
from minisparse.ops import CONV


def loops(
    x: Array,
    w: BSR,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Array:
    """Follow the formula, block by block, one multiply-add at a time."""
    dtype = common_dtype(x, w.data, bias)
    kh, kw = kernel_shape
    windows = windows_of(x.shape, (kh, kw), pads, strides, dilations)
    (height, width), (sh, sw), (dh, dw) = windows.size, windows.strides, windows.dilations
    x = padded(x, windows.pads, wide_dtype(dtype))
    r, columns = w.block
    result = np.zeros((x.shape[0], w.shape[0], height, width), x.dtype)
    for n, m, row, column in np.ndindex(result.shape):
        if bias is not None:
            result[n, m, row, column] = bias[m]
        for p in range(w.indptr[m // r], w.indptr[m // r + 1]):
            for q in range(columns):
                k = w.indices[p] * columns + q
                if k >= w.shape[1]:
                    continue  # a block at the edge reaches beyond the matrix
                c, i, j = k // (kh * kw), k // kw % kh, k % kw
                seen = row * sh + i * dh, column * sw + j * dw
                result[n, m, row, column] += w.data[p, m % r, q] * x[n, c, *seen]
    return result.astype(dtype)


def counts(
    x: Array,
    w: BSR,
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
    heights, widths = inside_blocks(w)
    alone = np.repeat(np.diff(w.indptr) == 1, np.diff(w.indptr))  # read once for all places
    starts = w.indices[alone].astype(np.int64) * w.block[1]
    seen = sum(
        count_seen(windows, range(start, start + width))
        for start, width in zip(starts.tolist(), widths[alone].tolist(), strict=True)
    )
    steps = places * int(heights @ widths)
    read = w.indptr.nbytes * (w.shape[0] > 0) + w.indices.nbytes
    return count_frame(x, bias, windows, w.shape[0], dtype) + Counts(
        flops=2 * steps,
        value_bytes=int(heights @ widths) * w.data.itemsize * (places > 0),
        index_bytes=read * (places > 0),
        gathered_bytes=(places * int(heights[~alone] @ widths[~alone]) + seen) * x.itemsize,
        scratch=0,
        calls=places * (2 * w.shape[0] + int(heights.sum()) * w.block[1]) + 4 * steps,
    )


CONV_BSR = Kernel(
    CONV,
    BSR,
    bytes_moved,
    loops=loops,
    vectorized=Level(run, prepare_blocks, blocks_work, fuses=True, device=ON_DEVICE),
    counts=counts,
)
