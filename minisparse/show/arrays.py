"""The arrays of a format side by side, each element under its index."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.show.html import CELL, FAINT, LINE, MONO, TABLE, escape
from minisparse.show.words import clean, pad, shorten

_MOST_IN_CELL = 4
"""Rows, and columns, of a block that a cell shows."""


def shown_indices(length: int, limit: int) -> list[int | None]:
    """Return which elements to show, None where some are left out.

    Examples
    --------
    >>> shown_indices(3, 12), shown_indices(100, 5)
    ([0, 1, 2], [0, 1, None, 98, 99])
    """
    if length <= limit:
        return list(range(length))
    tail = max(0, (limit - 1) // 2)
    head = max(0, limit - 1 - tail)
    return [*range(head), None, *range(length - tail, length)]


def element_lines(value: Any) -> list[str]:
    """Return an element: a number, or the rows of a block with their columns aligned.

    Examples
    --------
    >>> element_lines(np.float32(0.1)), element_lines(np.array([[1, 0], [2, -3]]))
    (['0.1'], ['1   0', '2  -3'])
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return [_number(array)]
    if array.ndim > 2:
        return [f"[{', '.join(map(str, array.shape))}]"]
    down, across = np.atleast_2d(array).shape
    block = np.atleast_2d(array)[:_MOST_IN_CELL, :_MOST_IN_CELL]
    texts = [[_number(block[i, j]) for j in range(block.shape[1])] for i in range(len(block))]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    tail = "  ..." if across > _MOST_IN_CELL else ""
    lines = [
        "  ".join(pad(t, w, right=True) for t, w in zip(row, widths, strict=True)) + tail
        for row in texts
    ]
    return [*lines, "..."] if down > _MOST_IN_CELL else lines


def _number(value: Any) -> str:
    """Return a scalar in at most four digits; ``V`` is the kind of bfloat16."""
    scalar = np.asarray(value)
    if scalar.dtype.kind == "c":
        return f"{complex(scalar):.3g}"
    return f"{float(scalar):.4g}" if scalar.dtype.kind in "fV" else str(scalar)


def _label(name: str, array: Array) -> str:
    return f"{name} {array.dtype}[{', '.join(map(str, array.shape))}]"


def arrays_html(arrays: Mapping[str, Array], limit: int = 12) -> str:
    """Return the arrays as rows of cells, one below the other, each cell under its index.

    Parameters
    ----------
    arrays : mapping
        From names to arrays. Of an array with several dimensions a cell shows what stands under one
        index of the first: a row, or a block.
    limit : int
        Cells a row; of a longer array the middle is left out.
    """
    lines = []
    for name, given in arrays.items():
        array = np.atleast_1d(given)
        shown = shown_indices(len(array), limit)
        gap = '<td style="padding: 0 4px; border: none; opacity: 0.5; text-align: center">...</td>'
        heads = (
            '<td style="padding: 6px 6px 0; border: none"></td>' if i is None else _index(i)
            for i in shown
        )
        cells = (gap if i is None else _cell(array[i]) for i in shown)
        label = f'<span style="opacity: 0.65">{escape(_label("", array))}</span>'
        lines.append(
            f'<tr style="background-color: transparent"><td style="border: none"></td>'
            f"{''.join(heads)}</tr>"
            f'<tr style="background-color: transparent">'
            f'<td style="{CELL}; text-align: left; white-space: nowrap">{escape(name)}{label}</td>'
            f"{''.join(cells)}</tr>"
        )
    return f'<table style="{TABLE}">{"".join(lines)}</table>'


def _index(i: int) -> str:
    style = "padding: 6px 6px 1px; border: none; font-size: 10px; opacity: 0.55; text-align: center"
    return f'<td style="{style}">{i}</td>'


def _cell(value: Any) -> str:
    style = f"{MONO}; padding: 2px 6px; border: {LINE}; text-align: center; white-space: pre"
    text = "<br>".join(map(escape, element_lines(value)))
    return f'<td style="{style}; background-color: {FAINT}">{text}</td>'


def arrays_text(arrays: Mapping[str, Array], limit: int = 12, max_width: int = 80) -> str:
    """Return the arrays as rows of text, each element under its index: twin of ``arrays_html``.

    Examples
    --------
    >>> print(arrays_text({"indptr": np.array([0, 2, 3]), "data": np.array([1.5, 2.0, -1.0])}))
    indptr int64[3]
      0  1   2
      0  2   3
    data float64[3]
        0  1   2
      1.5  2  -1
    """
    lines = []
    for name, given in arrays.items():
        array = np.atleast_1d(given)
        lines.append(shorten(clean(_label(name, array)), max_width))
        fitting = (_rows(array, shown) for shown in range(limit, 0, -1))
        rows = next((r for r in fitting if max(map(len, r)) <= max_width), [""])
        lines += rows if len(array) else []
    return "\n".join(lines)


def _rows(array: Array, limit: int) -> list[str]:
    """Return the line of indices and that of elements, each column as wide as it must be."""
    shown = shown_indices(len(array), limit)
    heads = ["..." if i is None else str(i) for i in shown]
    cells = ["..." if i is None else _on_one_line(array[i]) for i in shown]
    widths = [max(len(h), len(c)) for h, c in zip(heads, cells, strict=True)]
    return [
        "  " + "  ".join(pad(c, w, right=True) for c, w in zip(row, widths, strict=True))
        for row in (heads, cells)
    ]


def _on_one_line(value: Any) -> str:
    return "; ".join(" ".join(line.split()) for line in element_lines(value))
