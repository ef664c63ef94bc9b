"""Text as it can be shown: nothing that a terminal would obey, cut and wrapped by columns.

Names come out of model files, so that they may hold anything: control characters, which move a
terminal's cursor, or letters that take two columns or none. All text passes :func:`clean` first.
"""

import unicodedata

_TYPOGRAPHY = str.maketrans(
    {"\u2026": "...", "\u00d7": "x", "\u00b5": "u", "\u2192": "->", "\u2013": "-", "\u2014": "-"}
)


def clean(text: str, unicode: bool = False) -> str:
    r"""Return ``text`` on one line, with what cannot be printed spelled as an escape.

    Parameters
    ----------
    text : str
        Any text.
    unicode : bool
        Whether letters outside ASCII may stay; if not, they are spelled as escapes too.

    Examples
    --------
    >>> clean("a\x1b[2Jb\nfirst → last")
    'a\\x1b[2Jb first -> last'
    >>> clean("größe"), clean("größe", unicode=True)
    ('gr\\xf6\\xdfe', 'größe')
    """
    text = " ".join(text.splitlines())
    if text.isascii() and text.isprintable():
        return text
    if not unicode:
        text = text.translate(_TYPOGRAPHY)
    return "".join(c if c.isprintable() and (unicode or c.isascii()) else _escape(c) for c in text)


def _escape(character: str) -> str:
    return " " if character == "\t" else character.encode("unicode_escape").decode("ascii")


def columns(text: str) -> int:
    r"""Return how many columns of a terminal ``text`` takes.

    Examples
    --------
    >>> columns("spmm"), columns("行列"), columns("e\u0301")
    (4, 4, 1)
    """
    return len(text) if text.isascii() else sum(_columns_of(c) for c in text)


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` columns; what is cut off is marked by ``...``.

    Examples
    --------
    >>> shorten("a_long_name", 8), shorten("short", 8), shorten("a_long_name", 2)
    ('a_lon...', 'short', 'a_')
    """
    if columns(text) <= width:
        return text
    return _cut(text, width - 3) + "..." if width > 3 else _cut(text, width)


def _cut(text: str, width: int) -> str:
    """Return the longest start of ``text`` that fits."""
    if text.isascii():
        return text[: max(width, 0)]
    used = 0
    for end, character in enumerate(text):
        used += _columns_of(character)
        if used > width:
            return text[:end]
    return text


def pad(text: str, width: int, right: bool = False) -> str:
    """Return ``text`` filled with spaces to ``width`` columns, on the left if ``right``.

    Examples
    --------
    >>> pad("nnz", 5), pad("42", 5, right=True)
    ('nnz  ', '   42')
    """
    space = " " * (width - columns(text))
    return space + text if right else text + space


def wrap(text: str, width: int = 80, indent: int = 0, unicode: bool = False) -> str:
    """Return ``text`` broken into lines of at most ``width`` columns.

    Parameters
    ----------
    text : str
        One or more paragraphs; their own line breaks stay.
    width : int
        Columns, the indent included.
    indent : int
        Spaces before each line.
    unicode : bool
        Whether letters outside ASCII may be written.

    Examples
    --------
    >>> print(wrap("chosen: csr moves fewer bytes than dense here", 24, indent=2))
      chosen: csr moves
      fewer bytes than dense
      here
    """
    indent = max(0, min(indent, width - 2))
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += _fill(clean(paragraph, unicode).split(), max(width, 1) - indent)
    return "\n".join((" " * indent + line).rstrip() for line in lines)


def _fill(words: list[str], width: int) -> list[str]:
    """Put words into lines; a word longer than a line is cut into several."""
    lines = [""]
    for word in words:
        if lines[-1] and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += " " + word
            continue
        if lines[-1]:
            lines.append("")
        while columns(word) > width:
            start = _cut(word, width) or word[0]
            lines[-1] = start
            lines.append("")
            word = word[len(start) :]
        lines[-1] = word
    return lines
