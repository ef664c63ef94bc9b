"""Convolution with weights in CSR: a filter is a row ``[C * kh * kw]`` that lists what it looks at.

``Y[n, m, y, x] = sum_p data[p] * X[n, c, y*s + i*d - pad, x*s + j*d - pad]`` over the stored
entries p of row m, where ``indices[p]`` is ``(c * kh + i) * kw + j``: direct sparse convolution
(Park et al., "Faster CNNs with direct sparse convolutions and guided pruning", ICLR 2017). The
vectorized level lays the windows out as columns, NumPy being fast at large products only.
"""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.formats import CSR, Pattern
from minisparse.kernels.conv import panels
from minisparse.kernels.conv.columns import bytes_moved, columns_type, padded, places, with_columns
from minisparse.kernels.kernel import Kernel, Level, Work
from minisparse.kernels.spmm.csr import prepare
from minisparse.kernels.spmm.work import panel_work
from minisparse.kernels.wide import wide_dtype
from minisparse.ops import CONV, Attrs


def loops(
    x: Array,
    w: CSR,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Array:
    """Follow the formula, one multiply-add at a time."""
    dtype = np.result_type(x, w.data) if bias is None else np.result_type(x, w.data, bias)
    kh, kw = kernel_shape
    x = padded(x, pads, wide_dtype(dtype))
    height, width = places(x.shape, kernel_shape, strides, dilations)
    result = np.zeros((x.shape[0], w.shape[0], height, width), x.dtype)
    for n, m, row, column in np.ndindex(result.shape):
        if bias is not None:
            result[n, m, row, column] = bias[m]
        for p in range(w.indptr[m], w.indptr[m + 1]):
            c, i, j = w.indices[p] // (kh * kw), w.indices[p] // kw % kh, w.indices[p] % kw
            seen = row * strides[0] + i * dilations[0], column * strides[1] + j * dilations[1]
            result[n, m, row, column] += w.data[p] * x[n, c, *seen]
    return result.astype(dtype)


def work(pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None) -> Work:
    """Return the work of the product, and of laying out its columns."""
    product = panel_work(pattern.row_counts, pattern.nonzero_cols, columns_type(types, attrs))
    return with_columns(product, types, attrs)


CONV_CSR = Kernel(
    CONV, CSR, bytes_moved, loops=loops, vectorized=Level(panels.run, prepare, work, fuses=True)
)
