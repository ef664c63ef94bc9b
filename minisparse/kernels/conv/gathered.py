"""The product of packed filters with the columns of one tile: the row panels of SpMM, in place.

As :func:`minisparse.kernels.spmm.panels.run`, but for one tile that is laid out already and stays
in cache, so that it is neither cut nor copied again. Rows of the tile are gathered for some panels
at a time, and these multiplied in one batch.
"""

from collections.abc import Iterator

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.kernels.conv.choice import GATHERED
from minisparse.kernels.scratch import scratch
from minisparse.kernels.spmm import panels
from minisparse.kernels.spmm.rows import times_vector
from minisparse.kernels.wide import all_finite


def multiply(packed: panels.Panels, columns: Array, sums: Array) -> None:
    """Write the product of filters and columns to ``sums``.

    Parameters
    ----------
    packed : Panels
        The filters ``[M, K]``.
    columns : ndarray, shape (K, places)
        Contiguous where panels gather from it, with K a whole number of groups.
    sums : ndarray, shape (M, places)
        Of the same dtype; its rows may lie apart.
    """
    if not packed.chunks:  # nothing is stored, or it is multiplied entry by entry
        panels.run(packed, columns, sums)
        return
    products = sums
    if packed.position is not None or packed.packed_rows != len(sums):
        products = scratch("conv panels", (packed.packed_rows + 1, sums.shape[1]), sums.dtype)
        products[-1] = 0
    start = 0
    for values, rows in _pieces(packed, sums.shape[1]):
        count, height = values.shape[:2]
        part = products[start : start + count * height].reshape(count, height, -1)
        start += count * height
        np.matmul(values.astype(sums.dtype, copy=False), _factor(packed, columns, rows), out=part)
    if packed.position is not None:
        products.take(packed.position, 0, sums, "clip")
    elif products is not sums:
        sums[...] = products[: len(sums)]
    if packed.rows is not None and not all_finite(sums):
        # A zero that no filter stores may have met an infinity (rule S1): see panels.
        for at in np.flatnonzero(~np.isfinite(sums).all(axis=0)):
            sums[:, at] = times_vector(packed.rows, columns[:, at])


def _pieces(packed: panels.Panels, places: int) -> Iterator[panels.Chunk]:
    """Yield some panels of a chunk at a time, so that what they gather stays near."""
    for values, rows in packed.chunks:
        if rows is None:
            yield panels.Chunk(values, None)
            continue
        step = max(1, GATHERED // max(values.shape[2] * places, 1))
        for first in range(0, len(values), step):
            yield panels.Chunk(values[first : first + step], rows[first : first + step])


def _factor(packed: panels.Panels, columns: Array, rows: Array | None) -> Array:
    """Return what panels multiply: all columns' rows, or for each panel those that it names."""
    if rows is None:
        return columns[None]
    width = packed.group * columns.shape[1]
    gathered = scratch("conv gathered rows", (*rows.shape, width), columns.dtype)
    # The indices are valid; "clip" only spares take the copy it would make to be safe.
    columns.reshape(-1, width).take(rows, 0, gathered, "clip")
    return gathered.reshape(len(rows), -1, columns.shape[1])
