"""Memory over time: which part of it is taken by what, one line for each step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.show.html import image
from minisparse.show.png import encode_png
from minisparse.show.words import clean, shorten

_INKS = ((70, 120, 200), (200, 120, 50), (80, 150, 90), (150, 90, 170), (120, 120, 120))
"""RGB of parts that lie beside each other: readable on white and on black."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FREE = "."
_WIDTH, _HEIGHT = 480, 8
"""Pixels of a line."""
_MOST = 200
"""Lines of a picture at most."""


class Taken(NamedTuple):
    """A part of the memory that is taken for some steps.

    Attributes
    ----------
    start, length : int
        Where it lies, in bytes.
    first, last : int
        From which step to which, both included.
    """

    start: int
    length: int
    first: int
    last: int


def _shown(steps: int, most: int) -> list[int]:
    """Return which steps are drawn: all, or some at equal distances."""
    count = min(steps, most)
    return [i * steps // count for i in range(count)]


def _grid(parts: Sequence[Taken], size: int, steps: Sequence[int], width: int) -> Array:
    """Return which part, counted from 0, is at each place of each line; -1 for none."""
    found = np.full((len(steps), width), -1)
    for number, (start, length, first, last) in enumerate(parts):
        left = start * width // max(size, 1)
        right = max(left + 1, -(-(start + length) * width // max(size, 1)))
        lines = [i for i, step in enumerate(steps) if first <= step <= last]
        if lines:
            found[lines[0] : lines[-1] + 1, left:right] = number
    return found


def occupancy_text(
    parts: Sequence[Taken], size: int, steps: Sequence[str], width: int = 80, most: int = 24
) -> str:
    """Return one line a step: its name, and memory from left to right, a letter for each part.

    Parameters
    ----------
    parts : sequence of Taken
        They get letters in this order, again from A after z.
    size : int
        Bytes of the whole memory.
    steps : sequence of str
        Names of the steps.
    width : int
        Columns that no line exceeds.
    most : int
        Lines at most; of more steps some are left out.

    Examples
    --------
    >>> parts = [Taken(0, 4, 0, 1), Taken(4, 4, 1, 2)]
    >>> print(occupancy_text(parts, 8, ["conv", "relu", "add"], 14))
    conv  AAAA....
    relu  AAAABBBB
    add   ....BBBB
    """
    shown = _shown(len(steps), most)
    names = [shorten(clean(steps[i], False), width // 3) for i in shown]
    wide = max(map(len, names), default=0)
    grid = _grid(parts, size, shown, max(1, width - wide - 2))
    lines = ("".join(_FREE if k < 0 else _LETTERS[k % len(_LETTERS)] for k in row) for row in grid)
    return "\n".join(f"{name:{wide}}  {line}" for name, line in zip(names, lines, strict=True))


def occupancy_html(parts: Sequence[Taken], size: int, steps: int) -> str:
    """Return a picture: a line for each step, memory from left to right, a color for each part.

    Parameters
    ----------
    parts : sequence of Taken
        What is drawn.
    size : int
        Bytes of the whole memory.
    steps : int
        How many there are; of more than fit, some are left out.
    """
    shown = _shown(steps, _MOST)
    if not shown or not size:
        return ""
    grid = _grid(parts, size, shown, _WIDTH)
    inks = np.array([(0, 0, 0, 0), *((*ink, 200) for ink in _INKS)], np.uint8)
    pixels = inks[np.where(grid < 0, 0, 1 + grid % len(_INKS))]
    alt = f"{len(parts)} parts of {size} bytes over {steps} steps"
    return image(encode_png(np.repeat(pixels, _HEIGHT, axis=0)), alt)
