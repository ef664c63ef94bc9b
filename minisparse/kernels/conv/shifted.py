"""One matrix of filters, with windows laid out along rows only: kh products on shifted columns.

``Y[n, m] = sum_i W_i @ T[:, i]``, where T lists what windows of one row, ``[C, kw]``, see at all
rows of the tile and the kh - 1 below, and ``T[:, i]`` is T from its i-th row on: a view. An element
is copied kw times and not kh * kw times; in return kh products are added up, and the filters
regrouped by i once a call (Cho and Brand, "MEC: memory-efficient convolution for deep neural
network", ICML 2017).
"""

from collections.abc import Callable

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.conv.choice import SHIFTED_ELEMENTS
from minisparse.kernels.conv.windows import Windows
from minisparse.kernels.scratch import scratch


def shifted_places(filters: int, weights: int, windows: Windows) -> int:
    """Return how many places a tile has: at most those of one image.

    Parameters
    ----------
    filters, weights : int
        M, and those of a filter.
    windows : Windows
        How windows slide over images.
    """
    height, width = windows.size
    rows = weights // windows.kernel[0] + 2 * filters
    return max(1, min(height * width, SHIFTED_ELEMENTS // max(rows, 1)))


def fill_shifted(matrix: Array, windows: Windows) -> Callable[[Array, Array], None]:
    """Return what fills a tile of one image, where rows are a step of 1 apart.

    Parameters
    ----------
    matrix : ndarray, shape (M, C * kh * kw)
        The filters.
    windows : Windows
        How windows slide over images.
    """
    kh, kw = windows.kernel
    filters, weights = matrix.shape
    apart = windows.dilations[0]
    by_row = matrix.reshape(filters, -1, kh, kw).transpose(2, 0, 1, 3)
    parts = np.ascontiguousarray(by_row).reshape(kh, filters, weights // kh)

    def fill(view: Array, sums: Array) -> None:
        channels, _, _, _, rows, columns = view.shape
        first = view[:, 0, :, 0]
        shape = (channels, kw, rows + (kh - 1) * apart, columns)
        tall = np.lib.stride_tricks.as_strided(first, shape, first.strides, writeable=False)
        laid = scratch("conv columns", shape, view.dtype)
        laid[...] = tall
        flat = laid.reshape(weights // kh, shape[2] * columns)
        places = rows * columns
        np.matmul(parts[0], flat[:, :places], out=sums)
        more = scratch("conv shifted", sums.shape, sums.dtype)
        for i in range(1, kh):
            start = i * apart * columns
            np.matmul(parts[i], flat[:, start : start + places], out=more)
            sums += more

    return fill
