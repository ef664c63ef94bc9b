"""Sparse filters, packed once: the panels of SpMM over the weights in use, or the entries alone.

A filter is a row ``[C * kh * kw]`` of the matrix. What no filter looks at is left out before
anything else: pruned channels, dead places of the window. How the rest is multiplied, as one dense
matrix or a few rows at a time, is decided as for SpMM: :mod:`minisparse.kernels.spmm.packing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from minisparse.core.dtypes import Array, DType
from minisparse.formats import BSR, Matrix
from minisparse.kernels.conv.choice import (
    CROWDED,
    GATHER,
    GATHERED,
    KEPT,
    KEPT_SCATTERED,
    LAY,
    MULTIPLY,
    SCATTERED,
    columns_time,
    direct_pays,
    gathered_places,
    most_laid,
    shifting_pays,
    tile_places,
)
from minisparse.kernels.conv.columns import Layout, lay_out, layout_of
from minisparse.kernels.conv.direct import fill_directly
from minisparse.kernels.conv.shifted import fill_shifted, shifted_places
from minisparse.kernels.conv.tiles import SHARED, SHARED_PRODUCTS, Filling, Result, convolve
from minisparse.kernels.conv.windows import Windows, windows_of
from minisparse.kernels.kernel import Finish
from minisparse.kernels.spmm import bsr, panels
from minisparse.kernels.spmm.packing import pack
from minisparse.kernels.spmm.panels import Chunk
from minisparse.kernels.spmm.rows import StoredRows, stored_rows
from minisparse.kernels.wide import all_finite, common_dtype, wide_dtype


@dataclass(frozen=True, eq=False)
class Filters:
    """Filters, packed.

    Attributes
    ----------
    shape : tuple of int
        ``(M, C * kh * kw)``.
    dtype : numpy.dtype
        The weights' own.
    panels : Panels or None
        The weights as panels, their columns counted among those in use; None: by entries.
    used : ndarray of int, or None
        Which weights columns are laid out for; None: all.
    entries : StoredRows or None
        The stored entries, where no columns are laid out at all.
    """

    shape: tuple[int, int]
    dtype: DType
    panels: panels.Panels | None
    used: Array | None = None
    entries: StoredRows | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of everything packed."""
        parts = (self.panels, self.used, self.entries)
        return sum(part.nbytes for part in parts if part is not None)


def prepare(a: Matrix, columns: int = 256) -> Filters:
    """Pack filters in any format by their entries, filter by filter."""
    rows = stored_rows(a)
    filters = _pack(rows, bool(a.has_canonical_format), columns)
    packed = filters.panels
    if packed is not None and packed.chunks:
        used = a.shape[1] if filters.used is None else len(filters.used)
        laid = most_laid(used, a.shape[1])
        otherwise = columns_time(laid, packed.gathered, packed.multiplied, a.shape[0])
        if not direct_pays(len(rows.data), columns, otherwise):
            return filters
    return Filters(a.shape, a.dtype, None, entries=rows)


def _pack(a: StoredRows, unique: bool, columns: int) -> Filters:
    """Pack entries as panels, without the weights that no filter has."""
    used = _in_use(a.indices, a.shape[1], KEPT)
    if used is not None and len(used) >= KEPT_SCATTERED * a.shape[1]:
        used = used if _are_channels(used, a.shape[1]) else None
    if used is None:
        return Filters(a.shape, a.dtype, pack(a, unique, columns))
    number = np.zeros(a.shape[1], np.intp)
    number[used] = np.arange(len(used))
    own = a._replace(indices=number[a.indices], shape=(a.shape[0], len(used)))
    packed = pack(own, unique, columns)
    if not packed.gathered or len(used) < SCATTERED * a.shape[1]:
        return Filters(a.shape, a.dtype, packed, used)
    chunks = [
        Chunk(c.values, None if c.columns is None else used[c.columns]) for c in packed.chunks
    ]
    packed = replace(packed, chunks=tuple(chunks), shape=a.shape, rows=packed.rows and a)
    return Filters(a.shape, a.dtype, packed)


def prepare_blocks(a: BSR, columns: int = 256) -> Filters:
    """Pack filters in blocks: block rows side by side, or as entries where most blocks are stored.

    Block columns that no filter uses are left out where these are many.
    """
    height, width = a.block
    grid = -(-a.shape[0] // height), -(-a.shape[1] // width)
    if len(a.indices) >= CROWDED * grid[0] * grid[1]:
        return prepare(a, columns)
    used = _in_use(a.indices, grid[1], SCATTERED)
    if used is None:
        return Filters(a.shape, a.dtype, bsr.prepare(a, columns))
    number = np.zeros(grid[1], a.indices.dtype)
    number[used] = np.arange(len(used))
    weights = (used[:, None] * width + np.arange(width)).reshape(-1)
    weights = weights[weights < a.shape[1]]  # the last block may reach beyond the matrix
    own = BSR(a.data, number[a.indices], a.indptr, (a.shape[0], len(weights)))
    return Filters(a.shape, a.dtype, bsr.prepare(own, columns), weights)


def _in_use(indices: Array, size: int, part: float) -> Array | None:
    """Return which of so many positions occur, ascending; None from such a part of all on."""
    occurs = np.zeros(size, bool)
    occurs[indices] = True
    used = np.flatnonzero(occurs)
    return None if len(used) >= part * size else used


def _are_channels(used: Array, size: int) -> bool:
    """Tell whether weights in use are whole channels, as far as that shows without their window.

    Then they begin and end at multiples of a window's size, which is 4 at least, or 1.
    """
    gaps = np.flatnonzero(used[1:] - used[:-1] > 1)
    edges = np.concatenate([used[:1], used[gaps] + 1, used[gaps + 1], used[-1:] + 1, [size]])
    return bool(np.gcd.reduce(edges) >= 4)


def run(
    x: Array,
    w: Filters,
    bias: Array | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
    out: Array | None = None,
    finish: Finish | None = None,
) -> Array:
    """Return the convolution of x ``[N, C, H, W]`` with packed filters ``[M, C * kh * kw]``."""
    dtype = common_dtype(x, w.dtype, bias)
    kh, kw = kernel_shape
    windows = windows_of(x.shape, (kh, kw), pads, strides, dilations)
    result = Result(dtype, wide_dtype(dtype), bias, out, finish)
    if w.panels is None:
        assert w.entries is not None
        return convolve(x, windows, fill_directly(w.entries, windows), result)
    return convolve(x, windows, _filling(w.panels, layout_of(w.used, windows), windows), result)


def _filling(packed: panels.Panels, layout: Layout, windows: Windows) -> Filling:
    """Return the filling that lays out columns and multiplies them."""
    filters, gathered = packed.shape[0], packed.gathered
    if _is_plain(packed, layout) and shifting_pays(filters, layout.rows, windows):
        return _shifted(packed, layout, windows)
    group = packed.group if gathered else None

    def fill(view: Array, sums: Array) -> None:
        _multiply(packed, lay_out(view, layout, group), sums)

    effort = packed.multiplied + (GATHER * gathered + LAY * layout.laid) / MULTIPLY
    rows = layout.laid + filters
    places = gathered_places(rows) if gathered else tile_places(rows)
    shared = SHARED if gathered else SHARED_PRODUCTS
    return Filling(fill, filters, layout.channels, places, effort, shared)


def _multiply(packed: panels.Panels, columns: Array, sums: Array) -> None:
    """Write the product of filters and the columns of a tile to ``sums``, whose rows lie apart.

    The tile stays in cache as it is, so that SpMM need not cut it again.
    """
    if packed.chunks:
        panels.multiply_tile(packed, columns, sums, sums.dtype, room=GATHERED)
    else:  # nothing is stored, or it is multiplied entry by entry
        panels.run(packed, columns, sums)


def _is_plain(packed: panels.Panels, layout: Layout) -> bool:
    """Tell whether there is one matrix, of all filters and of whole windows."""
    one = len(packed.chunks) == 1 and len(packed.chunks[0].values) == 1
    whole = packed.position is None and packed.packed_rows == packed.shape[0]
    return one and whole and not packed.gathered and layout.taps is None and layout.picked is None


def _shifted(packed: panels.Panels, layout: Layout, windows: Windows) -> Filling:
    """Return the filling by shifted products."""
    filters = packed.shape[0]
    fill_finite = fill_shifted(packed.chunks[0].values[0], windows)

    def fill(view: Array, sums: Array) -> None:
        fill_finite(view, sums)
        if packed.rows is not None and not all_finite(sums):
            # A zero that no filter stores may have met an infinity (rule S1).
            _multiply(packed, lay_out(view, layout), sums)

    effort = packed.multiplied + LAY / MULTIPLY * layout.laid / windows.kernel[0]
    places = shifted_places(filters, layout.rows, windows)
    return Filling(fill, filters, layout.channels, places, effort, SHARED_PRODUCTS)
