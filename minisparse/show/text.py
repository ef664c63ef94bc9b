"""Tables, lists and bars in a terminal: aligned columns, a fixed width, plain ASCII."""

from collections.abc import Collection, Mapping, Sequence

from minisparse.show.color import PLAIN, Palette
from minisparse.show.units import looks_numeric
from minisparse.show.words import clean, columns, pad, shorten, wrap

_NEUTRAL = ("", "-", "?", "n/a")
_NARROW = 8
"""Columns of words are shortened down to this before any number is."""


def numeric_columns(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[bool]:
    """Tell which columns of a table hold numbers, judged by their looks.

    Examples
    --------
    >>> numeric_columns(("kernel", "time"), [("csr", "12.0 us"), ("dense", "-")])
    [False, True]
    """
    found = []
    for i in range(len(headers)):
        cells = [c for c in (row[i].strip() for row in rows if i < len(row)) if c not in _NEUTRAL]
        found.append(bool(cells) and all(looks_numeric(c) for c in cells))
    return found


def table_text(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    max_width: int = 80,
    align: str | None = None,
    *,
    highlight: Collection[int] = (),
    palette: Palette = PLAIN,
    unicode: bool = False,
) -> str:
    """Return a table with aligned columns.

    Parameters
    ----------
    headers : sequence of str
        One a column.
    rows : sequence of sequences of str
        Short rows are filled with empty cells.
    max_width : int
        Columns that no line exceeds. Long cells are shortened with ``...``, words before numbers.
    align : str, optional
        ``l`` or ``r`` for each column; by default numbers stand right, all else left.
    highlight : collection of int
        Numbers of the rows that get a ``>`` in front, such as the chosen candidate.
    palette : Palette
        Paints the header and the highlighted rows.
    unicode : bool
        Whether letters outside ASCII may be written.

    Examples
    --------
    >>> print(table_text(("kernel", "time"), [("csr", "12.0 us"), ("dense", "101 us")]))
    kernel     time
    ------  -------
    csr     12.0 us
    dense    101 us
    """
    header, *body = [
        [clean(row[i], unicode) if i < len(row) else "" for i in range(len(headers))]
        for row in [headers, *rows]
    ]
    numeric = numeric_columns(header, body)
    right = [a == "r" for a in align] if align is not None else numeric
    margin = 2 if highlight else 0
    widths = [max(columns(row[i]) for row in [header, *body]) for i in range(len(header))]
    widths = _fit(widths, numeric, max_width - margin)

    def line(cells: Sequence[str], mark: str = "") -> str:
        cut = [pad(shorten(c, w), w, r) for c, w, r in zip(cells, widths, right, strict=True)]
        return shorten((pad(mark, margin) + "  ".join(cut)).rstrip(), max_width)

    lines = [palette.bold(line(header)), palette.dim(line(["-" * w for w in widths]))]
    for i, row in enumerate(body):
        lines.append(palette.accent(line(row, ">")) if i in highlight else line(row))
    return "\n".join(lines)


def _fit(widths: Sequence[int], numeric: Sequence[bool], max_width: int) -> list[int]:
    """Return the columns' widths, made smaller until they fit with two spaces between."""
    room = max_width - 2 * (len(widths) - 1)
    fitted = [min(w, max(room, 1)) for w in widths]
    while sum(fitted) > room:
        wordy = [i for i, w in enumerate(fitted) if not numeric[i] and w > _NARROW]
        shrinkable = wordy or [i for i, w in enumerate(fitted) if w > 1]
        if not shrinkable:
            break
        fitted[max(shrinkable, key=fitted.__getitem__)] -= 1
    return fitted


def facts_text(pairs: Mapping[str, str], max_width: int = 80, unicode: bool = False) -> str:
    """Return a list of names and what they are; long values go on in the next line.

    Examples
    --------
    >>> print(facts_text({"shape": "512 x 64", "stored": "3277"}))
    shape   512 x 64
    stored  3277
    """
    names = [shorten(clean(name, unicode), max(max_width // 3, 1)) for name in pairs]
    width = max(map(columns, names), default=0)
    lines: list[str] = []
    for name, value in zip(names, pairs.values(), strict=True):
        head, *more = wrap(value, max(max_width - width - 2, 1), unicode=unicode).split("\n")
        lines.append(f"{pad(name, width)}  {head}".rstrip())
        lines += [" " * (width + 2) + line for line in more]
    return "\n".join(lines)


def card_text(title: str, *sections: str, palette: Palette = PLAIN) -> str:
    """Return a title and sections, an empty line between them: the twin of ``card``.

    Examples
    --------
    >>> print(card_text("CSR", "stored  3277"))
    CSR
    <BLANKLINE>
    stored  3277
    """
    return "\n\n".join([palette.bold(title), *(s for s in sections if s)])


def bar(fraction: float, width: int, unicode: bool = False) -> str:
    """Return a bar of exactly ``width`` columns; anything above zero shows at least one mark.

    Examples
    --------
    >>> bar(0.5, 8), bar(1e-9, 8), bar(0.0, 8), bar(float("nan"), 8)
    ('####    ', '#       ', '        ', '        ')
    """
    if not fraction > 0:
        return " " * width
    full = min(width, max(1, round(min(fraction, 1.0) * width)))
    return ("█" if unicode else "#") * full + " " * (width - full)
