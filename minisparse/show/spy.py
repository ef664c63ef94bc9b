"""Spy pictures: where the stored entries of a matrix are.

A small matrix shows each element. A large one is cut into bins of equal size, and a bin with at
least one entry is always seen: what a spy picture must not do is to lose the only entry of a row.
"""

import math

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import ShapeError
from minisparse.core.xp import asarray, to_device
from minisparse.show.png import encode_png

_INK = (70, 120, 200)
"""RGB of an entry: readable on white and on black, for the rest of the picture is transparent."""
_FAINTEST = 0.35
"""Opacity of the emptiest bin that is not empty."""
_RAMP = ".:-=+*#%@"
_THIN = 16
"""A side keeps at least this many bins, and as many pixels, however long the other one is."""


def bin_counts(row: Array, col: Array, shape: tuple[int, int], bins: tuple[int, int]) -> Array:
    """Count the entries in each of at most ``bins`` bins, all but the last of equal size.

    Parameters
    ----------
    row, col : array ``[nnz]``
        Coordinates of the stored entries, in any order; duplicates count each time. On a card,
        they are counted there, and the counts are fetched.
    shape : tuple of int
        The matrix's shape.
    bins : tuple of int
        How many bins down and across there may be.

    Returns
    -------
    array, int64
        ``[down, across]``; without elements wherever ``shape`` is 0.

    Raises
    ------
    ShapeError
        If ``row`` and ``col`` differ in length or an entry lies outside of ``shape``.

    Examples
    --------
    >>> bin_counts(np.array([0, 3]), np.array([0, 5]), (4, 6), (2, 3))
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    row, col = asarray(row, np.int64), asarray(col, np.int64)
    if row.shape != col.shape or row.ndim != 1:
        raise ShapeError(f"spy: row {row.shape} and col {col.shape} must be vectors of one length")
    for name, index, size in (("row", row, shape[0]), ("col", col, shape[1])):
        if index.size and not 0 <= index.min() <= index.max() < size:
            raise ShapeError(
                f"spy: {name} goes from {index.min()} to {index.max()}, but the shape is {shape}"
            )
    step_down, step_across = (max(1, math.ceil(s / b)) for s, b in zip(shape, bins, strict=True))
    down, across = math.ceil(shape[0] / step_down), math.ceil(shape[1] / step_across)
    flat = row // step_down * across + col // step_across
    counts: Array = to_device(np.bincount(flat, minlength=down * across), "cpu")
    return counts.reshape(down, across)


def spy_png(row: Array, col: Array, shape: tuple[int, int], size: int = 256) -> bytes:
    """Return a spy picture as a PNG with a transparent background.

    Parameters
    ----------
    row, col : array ``[nnz]``
        Coordinates of the stored entries, in any order.
    shape : tuple of int
        The matrix's shape; without rows or columns the picture is empty.
    size : int
        Pixels of the longer side, at most; 32 or more. A matrix without a longer side shows one
        square an element; a larger one shows bins, the darker the fuller.

    Raises
    ------
    ShapeError
        If an entry lies outside of ``shape``.
    """
    size = max(size, 2 * _THIN)
    longest = max(*shape, 1)
    step = 1 if longest <= size else math.ceil(longest / max(1, size // 2))
    bins = (_bins(shape[0], step), _bins(shape[1], step))
    counts = bin_counts(row, col, shape, bins)
    if counts.size == 0:
        counts = np.zeros(bins, np.int64)
    fullest = counts.max()
    strength = _FAINTEST + (1 - _FAINTEST) * counts / max(fullest, 1)
    alpha = np.where(counts > 0, np.rint(255 * strength), 0).astype(np.uint8)
    if step == 1:
        alpha[counts > 0] = 255
    pixel = max(1, size // max(counts.shape))
    high, wide = (max(pixel, math.ceil(_THIN / n)) for n in counts.shape)
    alpha = alpha.repeat(high, axis=0).repeat(wide, axis=1)
    ink = np.broadcast_to(np.array(_INK, np.uint8), (*alpha.shape, 3))
    return encode_png(np.concatenate([ink, alpha[:, :, None]], axis=2))


def _bins(side: int, step: int) -> int:
    """Return how many bins a side is cut into, few of them only if there are few elements."""
    return max(1, math.ceil(side / step), min(side, _THIN))


def spy_text(
    row: Array,
    col: Array,
    shape: tuple[int, int],
    width: int = 64,
    height: int = 24,
    unicode: bool = False,
) -> str:
    """Return a spy picture as text in a frame.

    A matrix that fits shows ``#`` for each stored entry and ``.`` for each zero. A larger one shows
    bins from ``.`` (fewest entries) to ``@`` (most), and a space where there is nothing; with
    ``unicode``, one dot of a Braille letter for each bin that holds something.

    Parameters
    ----------
    row, col : array ``[nnz]``
        Coordinates of the stored entries, in any order.
    shape : tuple of int
        The matrix's shape.
    width, height : int
        Columns and lines that the picture may take, its frame included.
    unicode : bool
        Whether letters outside ASCII may be written.

    Raises
    ------
    ShapeError
        If an entry lies outside of ``shape``.

    Examples
    --------
    >>> print(spy_text(np.array([0, 1, 1]), np.array([0, 1, 2]), (2, 3)))
    +-----+
    |# . .|
    |. # #|
    +-----+
    """
    wide, high = max(1, width - 2), max(1, height - 2)
    if 0 in shape:
        return _frame([f"{shape[0]} x {shape[1]}"[:wide]])
    if shape[0] <= high and shape[1] <= wide:
        lines = _exact(bin_counts(row, col, shape, shape), wide)
    elif unicode:
        lines = _braille(bin_counts(row, col, shape, (4 * high, 2 * wide)))
    else:
        lines = _ramp(bin_counts(row, col, shape, (high, wide)))
    return _frame(lines)


def _exact(counts: Array, wide: int) -> list[str]:
    """Return one letter an element, a space between them where there is room."""
    gap = " " if 2 * counts.shape[1] - 1 <= wide else ""
    return [gap.join("#" if n else "." for n in line) for line in counts]


def _ramp(counts: Array) -> list[str]:
    """Return one letter a bin, by how full it is."""
    steps = (len(_RAMP) - 1) * counts // max(counts.max(), 1)
    return [
        "".join(_RAMP[s] if n else " " for n, s in zip(line, steps[i], strict=True))
        for i, line in enumerate(counts)
    ]


def _braille(counts: Array) -> list[str]:
    """Return one dot a bin, eight to a letter (Unicode, block U+2800)."""
    down, across = (-(-n // k) for n, k in zip(counts.shape, (4, 2), strict=True))
    dots = np.zeros((4 * down, 2 * across), np.int64)
    dots[: counts.shape[0], : counts.shape[1]] = counts > 0
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    codes = np.einsum("dias,is->da", dots.reshape(down, 4, across, 2), bits)
    return ["".join(chr(0x2800 + code) for code in line) for line in codes]


def _frame(lines: list[str]) -> str:
    """Return lines of equal length between borders."""
    edge = "+" + "-" * len(lines[0]) + "+"
    return "\n".join([edge, *(f"|{line}|" for line in lines), edge])
