"""Whether to color, and whether to leave ASCII: decided once for a stream, never a global."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Palette:
    r"""The few ways in which text is set off; a disabled palette returns text as it is.

    Examples
    --------
    >>> Palette(True).bold("csr"), Palette(False).bold("csr")
    ('\x1b[1mcsr\x1b[0m', 'csr')
    """

    enabled: bool = False

    def bold(self, text: str) -> str:
        """Return a heading."""
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """Return what matters less."""
        return self._paint("2", text)

    def good(self, text: str) -> str:
        """Return what passed, in green."""
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """Return what failed, in red."""
        return self._paint("31", text)

    def accent(self, text: str) -> str:
        """Return what was chosen, in cyan."""
        return self._paint("36", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text


PLAIN = Palette(enabled=False)
"""No color at all."""


def palette_for(stream: TextIO, environ: Mapping[str, str]) -> Palette:
    """Return the palette for a stream: colors on a terminal that can and a user who wants them.

    Parameters
    ----------
    stream : text stream
        Where the text will go.
    environ : mapping
        ``os.environ``: a non-empty ``NO_COLOR`` (https://no-color.org) or ``TERM=dumb`` means no.

    Examples
    --------
    >>> import io
    >>> palette_for(io.StringIO(), {})
    Palette(enabled=False)
    """
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Palette(wanted and stream.isatty())


def unicode_for(stream: TextIO) -> bool:
    """Tell whether letters outside ASCII may be written: to a terminal that takes UTF-8.

    Examples
    --------
    >>> import io
    >>> unicode_for(io.StringIO())
    False
    """
    encoding = getattr(stream, "encoding", None)
    if not encoding or not stream.isatty():
        return False
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False
