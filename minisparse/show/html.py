"""Cards for notebooks: plain HTML whose looks are all inline.

JupyterLab strips ``<style>``, ``<svg>`` and ``<script>``, and from a notebook that is not trusted
also every property that its sanitizer does not list. So there are no classes, colors are grays with
alpha over whatever the theme's background is, and letters keep the theme's color.
"""

import base64
from collections.abc import Collection, Mapping, Sequence

from minisparse.show.text import numeric_columns
from minisparse.show.words import clean

LINE = "1px solid rgba(128, 128, 128, 0.25)"
"""Border between things."""
FAINT = "rgba(128, 128, 128, 0.12)"
"""Background of what is set off a little."""
CHOSEN = "rgba(70, 120, 200, 0.18)"
"""Background of what was chosen."""
BAR = "rgba(70, 120, 200, 0.75)"
"""Fill of a bar."""
MONO = "font-family: Menlo, Consolas, monospace"

_CARD = (
    "display: inline-block; box-sizing: border-box; max-width: 100%; overflow-x: auto; "
    f"border: {LINE}; border-radius: 6px; padding: 10px 14px; margin: 4px 0; "
    "font-size: 13px; line-height: 1.45"
)
TABLE = (
    "border-collapse: collapse; border: none; margin: 0; table-layout: auto; font-size: 12px; "
    "font-variant-numeric: tabular-nums"
)
CELL = "padding: 3px 14px 3px 3px; vertical-align: top; border: none; background: none"
_ROW = "background-color: transparent"


def escape(text: str) -> str:
    """Return text that is only text in HTML, inside and outside of attributes.

    Examples
    --------
    >>> escape("<script> & 'x'")
    '&lt;script&gt; &amp; &#x27;x&#x27;'
    """
    from html import escape as escaped  # with a table of entities, which most runs do without

    return escaped(clean(text, unicode=True))


def card(title: str, *sections: str) -> str:
    """Return a framed block with a title.

    Parameters
    ----------
    title : str
        Plain text.
    *sections : str
        HTML, as the other functions here return it; empty ones are left out.
    """
    head = f'<div style="font-weight: 600; font-size: 14px">{escape(title)}</div>'
    body = "".join(f'<div style="margin-top: 10px">{s}</div>' for s in sections if s)
    return f'<div style="{_CARD}">{head}{body}</div>'


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], highlight: Collection[int] = ()
) -> str:
    """Return a table; columns of numbers, judged by their looks, stand right.

    Parameters
    ----------
    headers : sequence of str
        Plain text, one a column.
    rows : sequence of sequences of str
        Plain text; short rows are filled with empty cells.
    highlight : collection of int
        Numbers of the rows to set off, such as the chosen candidate.
    """
    numeric = numeric_columns(headers, rows)
    filled = [[escape(row[i]) if i < len(row) else "" for i in range(len(headers))] for row in rows]
    return cells_table([escape(h) for h in headers], filled, numeric, highlight)


def cells_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    highlight: Collection[int] = (),
) -> str:
    """Return a table whose cells are HTML already.

    Parameters
    ----------
    headers, rows : sequences
        Cells; every row has as many as there are headers. No header is drawn where all are empty.
    right : sequence of bool
        Which columns stand right.
    highlight : collection of int
        Rows to set off.
    """
    sides = [f"text-align: {'right' if r else 'left'}" for r in right]
    lines = []
    if any(headers):
        style = f"{CELL}; font-weight: 600; opacity: 0.65; white-space: nowrap"
        cells = (f'<th style="{style}; {s}">{h}</th>' for h, s in zip(headers, sides, strict=True))
        lines.append(f'<tr style="{_ROW}; border-bottom: {LINE}">{"".join(cells)}</tr>')
    for i, row in enumerate(rows):
        style = f"background-color: {CHOSEN}" if i in highlight else _ROW
        cells = (f'<td style="{CELL}; {s}">{c}</td>' for c, s in zip(row, sides, strict=True))
        lines.append(f'<tr style="{style}">{"".join(cells)}</tr>')
    return f'<table style="{TABLE}">{"".join(lines)}</table>'


def facts(pairs: Mapping[str, str]) -> str:
    """Return names and what they are, in two columns; both are plain text."""
    names = (f'<span style="opacity: 0.65">{escape(name)}</span>' for name in pairs)
    rows = list(zip(names, map(escape, pairs.values()), strict=True))
    return cells_table(("", ""), rows, (False, False))


def paragraph(text: str, lead: str = "") -> str:
    """Return plain text as a paragraph of readable width, after a bold lead-in where one is given.

    Examples
    --------
    >>> paragraph("csr moves fewer bytes", lead="fc1:")
    '<div style="max-width: 640px"><b>fc1:</b> csr moves fewer bytes</div>'
    """
    start = f"<b>{escape(lead)}</b> " if lead else ""
    return f'<div style="max-width: 640px">{start}{escape(text)}</div>'


def beside(*sections: str) -> str:
    """Return sections next to each other, below each other where the page is too narrow.

    Parameters
    ----------
    *sections : str
        HTML, as the other functions here return it.
    """
    style = "display: inline-block; vertical-align: top; margin-right: 24px"
    return "".join(f'<div style="{style}">{s}</div>' for s in sections if s)


def image(png: bytes, alt: str, width: int | None = None) -> str:
    """Return a picture that travels inside the page.

    Parameters
    ----------
    png : bytes
        A PNG file.
    alt : str
        What it shows, for those who cannot see it.
    width : int, optional
        Width on the page in pixels; by default the picture's own.
    """
    data = base64.b64encode(png).decode("ascii")
    size = "" if width is None else f' width="{width}"'
    style = f"image-rendering: pixelated; border: {LINE}; max-width: 100%; vertical-align: top"
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}"{size} style="{style}">'


def page(title: str, *sections: str) -> str:
    """Return a whole page for a browser, light or dark as its reader has it.

    Parameters
    ----------
    title : str
        Of the window.
    *sections : str
        HTML, such as cards.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title></head>"
        f'<body style="margin: 24px">{"".join(sections)}</body></html>\n'
    )
