"""A strip: arrays that share their indices, one below the other, with some elements marked.

Of arrays that are too long, what is marked and its neighbors are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minisparse.core.dtypes import Array
from minisparse.show.arrays import element_lines
from minisparse.show.html import CELL, CHOSEN, FAINT, LINE, MONO, TABLE, escape
from minisparse.show.words import clean, pad, shorten

_MOST = 16
"""Elements that a strip shows at most."""
_NAMES = 24
"""Columns that the names at the left of a strip may take."""


@dataclass(frozen=True, eq=False)
class Strip:
    """Arrays of one length, to be drawn with their elements aligned.

    Attributes
    ----------
    index : str
        What numbers the elements: ``"p"``, ``"column"``.
    rows : mapping
        From names to arrays. Of an array with several dimensions, what stands under one index of
        the first is one element.
    marked : sequence of int
        Increasing indices of the elements to be marked.
    sparse : int, optional
        Where given, there are that many elements, the arrays hold those marked alone, and a dot
        is drawn for every other one.
    """

    index: str
    rows: Mapping[str, Array]
    marked: Sequence[int] = field(default=())
    sparse: int | None = None

    @property
    def length(self) -> int:
        """Number of elements in each row."""
        if self.sparse is not None:
            return self.sparse
        return max((len(array) for array in self.rows.values()), default=0)


def window(length: int, marked: Sequence[int], limit: int) -> list[int | None]:
    """Return at most ``limit`` indices around those marked, None where some are left out.

    Examples
    --------
    >>> window(100, [50, 51], 6), window(3, [], 6), window(100, [7], 3)
    ([None, 48, 49, 50, 51, 52, 53, None], [0, 1, 2], [None, 6, 7, 8, None])
    """
    limit = max(1, min(limit, length))
    tail = limit // 2
    chosen = set(marked[: limit - tail]) | set(marked[len(marked) - tail :] if tail else ())
    chosen = chosen or {0}
    while len(chosen) < limit:
        around = [i + side for i in sorted(chosen) for side in (1, -1)]
        fresh = dict.fromkeys(i for i in around if 0 <= i < length and i not in chosen)
        chosen |= set(list(fresh)[: limit - len(chosen)])
    shown: list[int | None] = []
    previous = -1
    for i in sorted(chosen) if length else ():
        shown += [i] if i == previous + 1 else [None, i]
        previous = i
    return shown if previous == length - 1 else [*shown, None]


def strip_text(strip: Strip, max_width: int = 80) -> str:
    """Return a strip as text: marked elements are underlined with ``^``.

    Examples
    --------
    >>> import numpy as np
    >>> rows = {"indices": np.array([0, 3, 1, 2]), "data": np.array([5, 1, 2, 3])}
    >>> print(strip_text(Strip("p", rows, marked=range(2, 4))))
    p        0  1  2  3
    indices  0  3  1  2
    data     5  1  2  3
                   ^  ^
    """
    fitting = (_lines(strip, limit) for limit in range(_MOST, 0, -1))
    lines = next((found for found in fitting if max(map(len, found)) <= max_width), None)
    return "\n".join(lines or [shorten(line, max_width) for line in _lines(strip, 1)])


def _lines(strip: Strip, limit: int) -> list[str]:
    """Return the lines of a strip that shows so many elements."""
    shown = window(strip.length, strip.marked, limit)
    rows = [(strip.index, [["..." if i is None else str(i)] for i in shown])]
    rows += [(name, [_cell(strip, name, i) for i in shown]) for name in strip.rows]
    widths = [max(len(t) for _, cells in rows for t in cells[j]) for j in range(len(shown))]
    marks = ["^" * w if i in strip.marked else "" for i, w in zip(shown, widths, strict=True)]
    if any(marks) and strip.sparse is None:
        rows.append(("", [[mark] for mark in marks]))
    left = max(min(len(clean(name)), _NAMES) for name, _ in rows)
    lines = []
    for name, cells in rows:
        for k in range(max(map(len, cells), default=1)):
            texts = [cell[k] if k < len(cell) else "" for cell in cells]
            label = pad(shorten(clean(name), _NAMES) if k == 0 else "", left)
            padded = (pad(t, w, right=True) for t, w in zip(texts, widths, strict=True))
            lines.append("  ".join([label, *padded]).rstrip())
    return lines


def _cell(strip: Strip, name: str, i: int | None) -> list[str]:
    """Return what stands at one index: lines, of which a block has several."""
    if i is None:
        return ["..."]
    array = strip.rows[name]
    if strip.sparse is not None:
        return element_lines(array[strip.marked.index(i)]) if i in strip.marked else ["."]
    return element_lines(array[i]) if i < len(array) else [""]


def strip_html(strip: Strip) -> str:
    """Return a strip as a table whose marked cells are set off: twin of ``strip_text``."""
    shown = window(strip.length, strip.marked, _MOST)
    heads = "".join(_head("..." if i is None else str(i)) for i in shown)
    lines = [f"{_name(strip.index, faint=True)}{heads}"]
    for name in strip.rows:
        cells = "".join(_boxed(strip, name, i) for i in shown)
        lines.append(f"{_name(name)}{cells}")
    rows = "".join(f'<tr style="background-color: transparent">{line}</tr>' for line in lines)
    return f'<table style="{TABLE}">{rows}</table>'


def _name(name: str, *, faint: bool = False) -> str:
    style = f"{CELL}; text-align: left; white-space: nowrap; vertical-align: middle"
    opacity = "; font-size: 10px; opacity: 0.55" if faint else ""
    return f'<td style="{style}{opacity}">{escape(name)}</td>'


def _head(text: str) -> str:
    style = "padding: 4px 6px 1px; border: none; font-size: 10px; opacity: 0.55; text-align: center"
    return f'<td style="{style}">{text}</td>'


def _boxed(strip: Strip, name: str, i: int | None) -> str:
    text = "<br>".join(map(escape, _cell(strip, name, i)))
    if i is None:
        return f'<td style="padding: 0 4px; border: none; opacity: 0.5">{text}</td>'
    color = CHOSEN if i in strip.marked else FAINT
    style = f"{MONO}; padding: 2px 7px; border: {LINE}; text-align: center; white-space: pre"
    return f'<td style="{style}; background-color: {color}">{text}</td>'
