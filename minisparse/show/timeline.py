"""Bars: what took how long, and when it began."""

import math
from collections.abc import Sequence

from minisparse.show.html import BAR, FAINT, cells_table, escape
from minisparse.show.text import bar
from minisparse.show.units import human_bytes, human_seconds
from minisparse.show.words import clean, columns, pad, shorten

Span = tuple[str, float, float]
"""Label, start in seconds, duration in seconds."""

_LONGEST_LABEL = 24
_BAR_WIDTH = 260
"""Pixels of the longest bar in HTML."""


def timeline_text(rows: Sequence[Span], width: int = 80, unicode: bool = False) -> str:
    """Return one line a span: label, duration, and a bar that begins where the span begins.

    Parameters
    ----------
    rows : sequence of (label, start, duration)
        Seconds; starts count from any common moment.
    width : int
        Columns that no line exceeds.
    unicode : bool
        Whether letters outside ASCII may be written.

    Examples
    --------
    >>> print(timeline_text([("spmm", 0.0, 3e-6), ("relu", 3e-6, 1e-6)], width=32))
    spmm  3.00 us  #############
    relu  1.00 us               ####
    """
    values = [human_seconds(duration) for _, _, duration in rows]
    labels, room = _left_side([label for label, _, _ in rows], values, width, unicode)
    lines = []
    for label, (offset, share) in zip(labels, _shares(rows), strict=True):
        start = min(round(offset * room), room - 1)
        end = min(room, max(start + 1, round((offset + share) * room)))
        line = label + " " * start + bar(1.0, end - start, unicode)
        lines.append(shorten(line.rstrip(), width))
    return "\n".join(lines)


def _left_side(
    labels: Sequence[str], values: Sequence[str], width: int, unicode: bool
) -> tuple[list[str], int]:
    """Return labels and values in columns, and how many columns are left for bars."""
    cut = [shorten(clean(label, unicode), min(_LONGEST_LABEL, width // 3)) for label in labels]
    first = max(map(columns, cut), default=0)
    second = max(map(len, values), default=0)
    left = [
        f"{pad(c, first)}  {pad(v, second, right=True)}  " for c, v in zip(cut, values, strict=True)
    ]
    return left, max(1, width - first - second - 4)


def _shares(rows: Sequence[Span]) -> list[tuple[float, float]]:
    """Return each span's start and duration as fractions of the whole time."""
    known = [(s, s + d) for _, s, d in rows if math.isfinite(s) and math.isfinite(d)]
    begin = min((start for start, _ in known), default=0.0)
    whole = max((end for _, end in known), default=0.0) - begin
    return [(_fraction(start - begin, whole), _fraction(d, whole)) for _, start, d in rows]


def _fraction(part: float, whole: float) -> float:
    """Return ``part / whole`` between 0 and 1; 0 where it is not defined."""
    if not 0 < whole < math.inf or math.isnan(part):
        return 0.0
    return min(max(part / whole, 0.0), 1.0)


def timeline_html(rows: Sequence[Span]) -> str:
    """Return a table with a bar for each span, placed where the span begins.

    Parameters
    ----------
    rows : sequence of (label, start, duration)
        Seconds; starts count from any common moment.
    """
    bars = (_bar_html(offset, share) for offset, share in _shares(rows))
    lines = [
        (escape(label), human_seconds(duration), drawn)
        for (label, _, duration), drawn in zip(rows, bars, strict=True)
    ]
    return cells_table(("step", "time", ""), lines, (False, True, False))


def _bar_html(offset: float, share: float) -> str:
    """Return a bar in a track, at least a pixel wide."""
    wide = max(1, round(_BAR_WIDTH * share))
    left = min(round(_BAR_WIDTH * offset), _BAR_WIDTH - wide)
    fill = f"margin-left: {left}px; width: {wide}px; height: 10px; background-color: {BAR}"
    track = f"width: {_BAR_WIDTH}px; background-color: {FAINT}; margin-top: 4px"
    return f'<div style="{track}"><div style="{fill}"></div></div>'


def bars_text(
    labels: Sequence[str],
    values: Sequence[float],
    unit: str = "",
    width: int = 80,
    unicode: bool = False,
) -> str:
    """Return one line a value: label, value, and a bar as long as the value is large.

    Parameters
    ----------
    labels : sequence of str
        What each value is of.
    values : sequence of float
        Bars start at 0; negative and undefined values have none.
    unit : str
        ``"s"`` and ``"B"`` are scaled (``12.0 us``); any other is written after the number.
    width : int
        Columns that no line exceeds.
    unicode : bool
        Whether letters outside ASCII may be written.

    Examples
    --------
    >>> print(bars_text(("csr", "dense"), (12e-6, 48e-6), "s", width=32))
    csr    12.0 us  ####
    dense  48.0 us  ################
    """
    texts = [_value(value, unit) for value in values]
    left, room = _left_side(labels, texts, width, unicode)
    shares = _fractions(values)
    lines = (a + bar(share, room, unicode) for a, share in zip(left, shares, strict=True))
    return "\n".join(shorten(line.rstrip(), width) for line in lines)


def bars_html(labels: Sequence[str], values: Sequence[float], unit: str = "") -> str:
    """Return a table with a bar for each value; the parameters are those of ``bars_text``."""
    drawn = (_bar_html(0.0, share) if share > 0 else "" for share in _fractions(values))
    texts = (escape(_value(value, unit)) for value in values)
    rows = list(zip(map(escape, labels), texts, drawn, strict=True))
    return cells_table(("", "", ""), rows, (False, True, False))


def _value(value: float, unit: str) -> str:
    if unit == "s":
        return human_seconds(value)
    return human_bytes(value) if unit == "B" else f"{value:.3g} {unit}".strip()


def _fractions(values: Sequence[float]) -> list[float]:
    """Return each value over the largest finite one."""
    largest = max((v for v in values if math.isfinite(v)), default=0.0)
    return [_fraction(value, largest) for value in values]
