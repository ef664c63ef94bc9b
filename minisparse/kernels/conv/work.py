"""What a convolution does beside its product: laying out columns, and placing the results.

Columns are copied before they can be multiplied, so their elements count as gathered, which no
arithmetic hides; so do those of the result, which are finished and placed after it. They stay in
cache, so that only images, weights and results count as traffic.
"""

import math
from dataclasses import replace

import numpy as np

from minisparse.core.tensor_type import TensorType
from minisparse.formats import Pattern
from minisparse.kernels.conv.choice import (
    CROWDED,
    DIRECT_PLACES,
    KEPT_SCATTERED,
    SCATTERED,
    columns_time,
    direct_pays,
    gathered_places,
    most_laid,
    shifting_pays,
    tile_places,
)
from minisparse.kernels.conv.windows import windows_of
from minisparse.kernels.kernel import Work
from minisparse.kernels.product import product_work
from minisparse.kernels.spmm.panels import tile_width
from minisparse.kernels.spmm.work import block_work, nm_columns, panel_work
from minisparse.ops import CONV, Attrs
from minisparse.ops.conv import kernel_shape
from minisparse.ops.dims import result_dtype

CALLS = 40.0
"""Calls of a convolution of one tile, its margin and its bookkeeping included."""


def columns_type(
    types: tuple[TensorType, ...], attrs: Attrs | None
) -> tuple[TensorType, TensorType]:
    """Return the types of the product that a convolution becomes: W's and that of the columns.

    Where the attributes are not known, there are as many places as the images have.
    """
    x, w = types[:2]
    n, _, *spatial = x.dims
    weights = w.size // max(w.dims[0], 1)
    if attrs is not None:
        (y,) = CONV.infer(types, attrs)
        spatial = list(y.dims[2:])
        weights = weights * attrs["group"]
    matrix = replace(w, shape=(w.dims[0], weights))
    return matrix, TensorType((weights, n * math.prod(spatial)), result_dtype((x, w)))


def with_columns(work: Work, types: tuple[TensorType, ...], attrs: Attrs | None, rows: int) -> Work:
    """Return the work of a product together with what laying out its columns costs.

    Parameters
    ----------
    work : Work
        Of the product.
    types : tuple of TensorType
        Of the convolution's operands.
    attrs : mapping or None
        Its attributes.
    rows : int
        How many rows of the columns are laid out.
    """
    matrix, columns = columns_type(types, attrs)
    (weights, places), filters = columns.dims, matrix.dims[0]
    results, laid = filters * places, rows * places
    images = types[0].size * min(1.0, rows / max(weights, 1))  # other channels are not looked at
    calls = work.calls
    if calls > 1:  # a product by panels counts those for each of its tiles; ours are others
        tiles = -(-places // gathered_places(rows + filters))
        calls *= tiles / max(1, -(-places // max(tile_width(places, weights), 1)))
    passes = work.entries
    if work.way in ("product", "dense"):  # tile by tile: weights are packed for each
        at_once = max(1, min(places, tile_places(rows + filters)))
        multiplied = round(work.flops / (2 * max(filters * places, 1)))
        tile = product_work(filters, multiplied, at_once, columns.itemsize)
        passes = tile.entries * places / at_once
    return replace(
        work,
        bytes=matrix.nnz * matrix.itemsize + 2.0 * (results + images) * columns.itemsize,
        gathered=work.gathered + laid + results + images,
        calls=calls + CALLS,
        entries=passes,
    )


def rows_laid(rows: int, types: tuple[TensorType, ...], attrs: Attrs | None) -> int:
    """Return how many rows of columns are laid out for one matrix, or what takes as long.

    Parameters
    ----------
    rows : int
        How many the product has.
    types : tuple of TensorType
        Of the convolution's operands.
    attrs : mapping or None
        Its attributes; without them, all rows are.
    """
    if attrs is None or attrs["group"] > 1 or types[0].ndim != 4:
        return rows
    x, w = types[:2]
    kernel = [int(k) for k in kernel_shape(w.shape, attrs)]
    windows = windows_of(x.dims, kernel, attrs["pads"], attrs["strides"], attrs["dilations"])
    if not shifting_pays(w.dims[0], rows, windows):
        return rows
    return rows // kernel[0] + (kernel[0] - 1) * w.dims[0]


def panels_work(
    pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None
) -> Work:
    """Return the work of filters that are packed by their entries, as panels or not at all."""
    matrix, columns = columns_type(types, attrs)
    weights, places = columns.dims
    counts, stored, blocks = pattern.row_counts, pattern.nonzero_cols, dict(pattern.blocks)
    if matrix.format == "nm":  # whose padding is stored, and so multiplied
        counts = np.full(matrix.dims[0], min(matrix.nnz // max(matrix.dims[0], 1), weights))
        stored, blocks = nm_columns(pattern, matrix), {}
    used = stored if stored < KEPT_SCATTERED * weights else weights
    product = panel_work(
        counts,
        stored,
        (
            replace(matrix, shape=(matrix.dims[0], used)),
            replace(columns, shape=(used, places)),
        ),
        blocks,
    )
    each = max(places, 1)
    multiplied, gathered = product.flops / 2 / each, product.gathered / each
    laid = most_laid(used, weights)
    otherwise = columns_time(laid, gathered, multiplied, matrix.dims[0])
    entries = matrix.nnz if matrix.format == "nm" else pattern.nnz
    if entries and direct_pays(entries, places, otherwise):
        return _direct_work(entries, places, types)
    rows = rows_laid(used, types, attrs)
    if gathered:
        rows = weights if used >= SCATTERED * weights else used
    return with_columns(product, types, attrs, rows)


def regrouped_work(
    pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None
) -> Work:
    """Return the work of filters in a format whose entries are not filter by filter.

    They are packed as CSR's are, and then computed alike. A call more is counted, so that of two
    ways that are the same the one is preferred that needs no sorting.
    """
    work = panels_work(pattern, types, attrs)
    return replace(work, calls=work.calls + 1)


def blocks_work(
    pattern: Pattern, types: tuple[TensorType, ...], attrs: Attrs | None = None
) -> Work:
    """Return the work of filters in blocks: block rows, or one matrix where most are stored."""
    matrix, columns = columns_type(types, attrs)
    (m, k), (r, c) = matrix.dims, matrix.block or (1, 1)
    grid = -(-m // r) * -(-k // c)
    if matrix.nnz >= CROWDED * grid * r * c:
        product = panel_work(np.full(m, k), k, (matrix, columns))
        return with_columns(product, types, attrs, rows_laid(k, types, attrs))
    used = pattern.nonzero_cols
    rows = used if used < SCATTERED * k else k
    return with_columns(block_work((matrix, columns), pattern.row_counts), types, attrs, rows)


def _direct_work(entries: int, places: int, types: tuple[TensorType, ...]) -> Work:
    """Return the work of two passes for each weight."""
    x = types[0]
    tiles = -(-places // DIRECT_PLACES)
    return Work(
        flops=2.0 * entries * places,
        bytes=2.0 * x.size * x.itemsize,
        gathered=float(x.size),
        calls=CALLS + 2.0 * entries * tiles,
        unit="elementwise",
        rows=float(entries * tiles),
        way="direct",
    )


def bytes_moved(x: TensorType, w: TensorType, bias: TensorType | None = None) -> int:
    """Count X, W and its indices once each; Y is as large as X where it has as many channels."""
    filters, channels = w.dims[0], max(x.dims[1], 1)
    result = x.size // channels * filters
    indices = 0 if w.stored is None else w.nnz * w.index_itemsize
    return x.size * x.itemsize + w.nnz * w.itemsize + indices + result * x.itemsize
