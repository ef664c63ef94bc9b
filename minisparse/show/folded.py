"""Tables of which nothing is cut: words go on in the next line, columns in a further table."""

from collections.abc import Collection, Sequence

from minisparse.show.text import numeric_columns
from minisparse.show.words import clean, columns, pad, wrap

_READABLE = 20
"""Words are not made narrower than this, nor than the longest of them, where there is a choice."""
_GAP = 2

Part = dict[int, int]
"""Columns that stand beside each other, with their widths."""


def folded_text(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    max_width: int = 80,
    align: str | None = None,
    *,
    highlight: Collection[int] = (),
) -> str:
    """Return a table with aligned columns, all of every cell in it.

    Where it is too wide, words are broken into lines; where that is not enough, the columns that
    have no room stand in a further table below, beside the first column, which is repeated.

    Parameters
    ----------
    headers : sequence of str
        One a column.
    rows : sequence of sequences of str
        Short rows are filled with empty cells.
    max_width : int
        Columns that no line exceeds, 20 at least.
    align : str, optional
        ``l`` or ``r`` for each column; by default numbers stand right, all else left.
    highlight : collection of int
        Numbers of the rows that get a ``>`` in front, such as the chosen candidate.

    Examples
    --------
    >>> row = ("bsr", "12.0 us", "it moves fewer bytes than any other")
    >>> print(folded_text(("kernel", "time", "why"), [row], max_width=40))
    kernel     time  why
    ------  -------  -----------------------
    bsr     12.0 us  it moves fewer bytes
                     than any other
    >>> print(folded_text(("kernel", "time", "why"), [row], max_width=24))
    kernel     time
    ------  -------
    bsr     12.0 us
    <BLANKLINE>
    kernel  why
    ------  ----------------
    bsr     it moves fewer
            bytes than any
            other
    """
    header, *body = [
        [clean(row[i]) if i < len(row) else "" for i in range(len(headers))]
        for row in [headers, *rows]
    ]
    numeric = numeric_columns(header, body)
    right = [a == "r" for a in align] if align is not None else numeric
    margin = 2 if highlight else 0
    told: list[str] = []
    for part in _parts([header, *body], numeric, max_width - margin):
        if told:
            told.append("")
        told += _lines([header[i] for i in part], part, right, " " * margin)
        told.append(" " * margin + (" " * _GAP).join("-" * width for width in part.values()))
        for i, row in enumerate(body):
            mark = pad(">", margin) if i in highlight else " " * margin
            told += _lines([row[c] for c in part], part, right, mark)
    return "\n".join(told)


def _parts(rows: Sequence[Sequence[str]], numeric: Sequence[bool], room: int) -> list[Part]:
    """Return which columns stand beside each other, and how wide each of them is."""
    wide, least = [], []
    for cells, is_number in zip(zip(*rows, strict=True), numeric, strict=True):
        width = max(map(columns, cells))
        word = max((columns(word) for cell in cells for word in cell.split()), default=0)
        wide.append(width)
        least.append(width if is_number else min(width, max(word, _READABLE)))
    if sum(least) + _GAP * (len(least) - 1) <= room:
        return [_widened(dict(enumerate(least)), wide, room)]
    # The first column leaves at least half of the room for one other.
    first = min(least[0], room // 2 - _GAP)
    parts: list[Part] = [{0: first}]
    for i, width in list(enumerate(least))[1:]:
        fitting = min(width, room - first - _GAP)
        if sum(parts[-1].values()) + _GAP * len(parts[-1]) + fitting > room:
            parts.append({0: first})
        parts[-1][i] = fitting
    return [_widened(part, wide, room) for part in parts]


def _widened(part: Part, wide: Sequence[int], room: int) -> Part:
    """Return columns as wide as they would be, as far as there is room, the narrowest first."""
    found, left = dict(part), room - sum(part.values()) - _GAP * (len(part) - 1)
    for i in sorted(found, key=lambda i: wide[i] - found[i]):
        more = min(wide[i] - found[i], left)
        found[i] += more
        left -= more
    return found


def _lines(cells: Sequence[str], part: Part, right: Sequence[bool], mark: str) -> list[str]:
    """Return the lines of one row; what is marked is marked in the first."""
    broken = [
        [cell] if columns(cell) <= width else wrap(cell, width).split("\n")
        for cell, width in zip(cells, part.values(), strict=True)
    ]
    lines = []
    for i in range(max(map(len, broken), default=0)):
        told = [
            pad(some[i] if i < len(some) else "", width, right[c])
            for some, (c, width) in zip(broken, part.items(), strict=True)
        ]
        start = mark if i == 0 else " " * len(mark)
        lines.append((start + (" " * _GAP).join(told)).rstrip())
    return lines
