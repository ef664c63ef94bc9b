"""Which way a convolution is computed: what is laid out, and when columns are not worth it.

Four ways were measured (float32, one core of a server with AVX-512, 3 x 3 windows):

- columns of a tile, then one product: 0.2 to 0.5e-9 seconds to lay out an element, a fifth of the
  time with 64 filters, and less with more;
- columns of rows of windows, then kh shifted products: 0.9 of that time where images are large;
- columns, then row panels or blocks that gather from them: the way for block-sparse weights, and
  for scattered ones below a density of about 0.05;
- directly, a shifted part of the images for each weight: two passes over the result's plane, which
  pays for a few hundred weights at most, and the more so the larger the planes.

A fifth, one product for each place (i, j) of the window on images shifted by it ("kn2row";
Vasudevan, Anderson, Gregg, "Parallel multi channel convolution using general matrix
multiplication", 2017), needs no columns but adds kh * kw products up. It took 0.9 of the time of
columns on 56 x 56 places of 64 channels, and 1.4 on 14 x 14 of 256. It is not used.

The constants are of that machine, and decide as those of :mod:`minisparse.kernels.spmm.packing` do.
"""

from minisparse.kernels.conv.windows import Windows

KEPT = 0.95
"""Where so many of the weights are in use, the others' columns are laid out too: all in one go."""
KEPT_SCATTERED = 0.75
"""The same where they are not whole channels: to pick rows takes as long as laying them out."""
SCATTERED = 0.5
"""The same where panels gather anyway: what they leave out costs them nothing but the layout."""
CROWDED = 0.5
"""From such a part of all blocks on, one matrix with the others as zeros is multiplied faster."""
LAY, GATHER, MULTIPLY, WRITE = 0.3e-9, 0.15e-9, 0.025e-9, 0.6e-9
"""Seconds to lay out an element, to gather one, to multiply and add, and to write a result."""
ADD, REGROUP = 0.25e-9, 1e-9
"""Seconds to write a product and add it to another, and to bring a weight to another place."""
SHIFTED_PLACES = 512
"""Places of an image from which on: a tile is one image at most, and small products are slow."""
SHIFTED_ELEMENTS = 1 << 20
"""Elements of a tile that is filled by shifted products: its rows above and below count less."""
TERM_CALLS, TERM = 1.8e-6, 0.6e-9
"""Seconds that a weight takes directly: its two calls for a tile, and for each place two passes."""
DIRECT_PLACES = 1 << 14
"""Places of a tile that is filled directly: three arrays of so many stay in a level-2 cache."""
TILE_ELEMENTS = 1 << 19
"""Elements of columns and sums in a tile that one matrix multiplies: a level-2 cache."""
ENOUGH_PLACES = 784
"""BLAS has tiles of its own: up to so many places, a wider product is worth more than the cache."""
MOST_ELEMENTS = 1 << 22
"""But never more elements than these."""
GATHERED = 1 << 18
"""What panels gather of a tile at once."""
GATHERED_FROM = 1 << 20
"""Elements of a tile of which they gather: a quarter would be a tenth faster on one thread, but two
threads would hand the interpreter to and fro between calls that are too short."""
LEAST_PLACES = 96
"""Places of such a tile at least: fewer, and calls cost more than work."""


def tile_places(rows: int) -> int:
    """Return how many places a tile has that one matrix multiplies.

    Parameters
    ----------
    rows : int
        Of columns and sums together.
    """
    rows = max(rows, 1)
    return max(1, TILE_ELEMENTS // rows, min(ENOUGH_PLACES, MOST_ELEMENTS // rows))


def gathered_places(rows: int) -> int:
    """Return how many places a tile has of which panels gather rows; see :func:`tile_places`."""
    return max(1, min(LEAST_PLACES, MOST_ELEMENTS // max(rows, 1)), GATHERED_FROM // max(rows, 1))


def columns_time(laid: float, gathered: float, multiplied: float, filters: int) -> float:
    """Return about how many seconds columns and their product take for one place.

    Parameters
    ----------
    laid, gathered, multiplied : float
        For one place: elements laid out, elements gathered of these, multiply-adds.
    filters : int
        M.
    """
    return LAY * laid + GATHER * gathered + MULTIPLY * multiplied + WRITE * filters


def direct_pays(entries: int, places: int, otherwise: float) -> bool:
    """Tell whether the direct form is the faster one.

    Parameters
    ----------
    entries : int
        Stored weights.
    places : int
        Of the result, about.
    otherwise : float
        Seconds for a place by columns.
    """
    tile = max(1, min(places, DIRECT_PLACES))
    return entries * (TERM_CALLS / tile + TERM) < otherwise


def shifting_pays(filters: int, weights: int, windows: Windows) -> bool:
    """Tell whether products on shifted columns are faster than one on all of them.

    Parameters
    ----------
    filters, weights : int
        M, and those of a filter.
    windows : Windows
        How windows slide over images.
    """
    kh, places = windows.kernel[0], windows.box.places
    height, width = windows.size
    if kh < 2 or windows.strides[0] != 1 or height * width < SHIFTED_PLACES:
        return False
    spared = LAY * weights * (1 - 1 / kh) - ADD * filters * (kh - 1)
    return spared * places > REGROUP * filters * weights


def most_laid(used: int, weights: int) -> int:
    """Return how many rows of columns may have to be laid out, whatever the window.

    Weights in use are picked from all places of the window of their channels; 3 x 3 is usual.
    """
    return weights if used >= KEPT_SCATTERED * weights else min(weights, 9 * used)
