"""The direct form: one shifted part of the images for each stored weight, and no columns.

``Y[n, m] += data[p] * X[n, c, i*d::s, j*d::s]`` for every entry p of row m, where ``indices[p]`` is
``(c * kh + i) * kw + j`` (Park et al., "Faster CNNs with direct sparse convolutions and guided
pruning", ICLR 2017). Only stored weights are touched, so rule S1 needs no care. In compiled code
the row of Y stays in registers; here each weight is a multiplication and an addition of a whole
tile, two passes over it, which a product of columns beats unless weights are very few.
"""

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.conv.choice import DIRECT_PLACES, MULTIPLY, TERM
from minisparse.kernels.conv.tiles import Filling
from minisparse.kernels.conv.windows import Windows
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spmm.rows import StoredRows


def fill_directly(rows: StoredRows, windows: Windows) -> Filling:
    """Return the filling that adds one weight after another.

    Parameters
    ----------
    rows : StoredRows
        The weights, filter by filter.
    windows : Windows
        How windows slide over the images.
    """
    channel, tap = np.divmod(rows.indices, windows.taps)
    channels, number = np.unique(channel, return_inverse=True)
    i, j = np.divmod(tap, windows.kernel[1])
    lengths = np.diff(rows.starts, append=len(rows.data))
    filters = np.repeat(rows.rows, lengths)
    terms = list(zip(filters.tolist(), number.tolist(), i.tolist(), j.tolist(), strict=True))

    def fill(view: Array, sums: Array) -> None:
        data = rows.data.astype(sums.dtype, copy=False)
        shape = view.shape[3:]
        product = scratch("conv term", shape, sums.dtype)
        flat = product.reshape(-1)
        sums[...] = 0
        for p, (m, c, i, j) in enumerate(terms):
            np.multiply(view[c, i, j], data[p], out=product)
            np.add(sums[m], flat, out=sums[m])

    effort = TERM / MULTIPLY * len(terms)
    return Filling(fill, rows.shape[0], channels, DIRECT_PLACES, effort)
