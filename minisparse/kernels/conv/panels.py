"""Convolution with weights packed as row panels: columns of windows, then the panels of SpMM."""

from collections.abc import Sequence

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.conv.columns import (
    adding,
    finish_images,
    padded,
    places,
    to_columns,
    to_images,
)
from minisparse.kernels.kernel import Finish
from minisparse.kernels.spmm import panels
from minisparse.kernels.wide import wide_dtype


def run(
    x: Array,
    w: panels.Panels,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
    out: Array | None = None,
    finish: Finish | None = None,
) -> Array:
    """Return the convolution of x ``[N, C, H, W]`` with filters w, packed ``[M, C * kh * kw]``."""
    dtype = np.result_type(x, w.dtype) if bias is None else np.result_type(x, w.dtype, bias)
    images = x.shape[0]
    x = padded(x, pads, wide_dtype(dtype))
    columns = to_columns(x, kernel_shape, strides, dilations)
    # The bias is added before the one rounding, and what follows comes after it.
    y = panels.run(w, columns, finish=adding(bias)).astype(dtype, copy=False)
    y = to_images(y, images, places(x.shape, kernel_shape, strides, dilations), out)
    return finish_images(y, finish)
