"""Numbers in a text, parsed many at a time, and the number of the line where one is wrong.

A text is cut into tokens at white space. Integers are parsed digit by digit, all tokens at once,
exactly; floating-point numbers by NumPy, correctly rounded. This takes some 40 bytes of memory for
each byte of the text, so texts come here in pieces.
"""

import warnings
from typing import NamedTuple, NoReturn

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.errors import FormatError

_NEWLINE = ord("\n")
_SPACES = np.zeros(256, bool)
_SPACES[list(b" \t\n\v\f\r")] = True
_LARGEST_DIGITS = 19  # of 2**63 - 1
_SHOWN = 40  # characters of a wrong token


class Tokens(NamedTuple):
    """Tokens of a piece of text.

    Attributes
    ----------
    text : bytes
        The text.
    start, stop : ndarray of int64, shape (n,)
        Where each token starts, and the place behind it.
    line : ndarray of int64, shape (n,)
        The number of each token's line in the file, from 1.
    where : str
        The file's name, for messages.
    """

    text: bytes
    start: Array
    stop: Array
    line: Array
    where: str

    def every(self, step: int, first: int = 0) -> "Tokens":
        """Return a column: one token of each ``step``, from ``first`` on."""
        start, stop, line = (a[first::step] for a in (self.start, self.stop, self.line))
        return Tokens(self.text, start, stop, line, self.where)

    def fail(self, i: int, problem: str) -> NoReturn:
        """Raise FormatError about token i."""
        token = self.text[self.start[i] : self.stop[i]][:_SHOWN].decode("ascii", "replace")
        raise FormatError(f"{self.where}, line {self.line[i]}: {token!r} {problem}")


def tokenize(text: bytes, first_line: int, where: str) -> Tokens:
    r"""Cut a text at white space.

    Examples
    --------
    >>> found = tokenize(b"1 20\n\n 3", 7, "x.mtx")
    >>> found.start, found.stop, found.line
    (array([0, 2, 7]), array([1, 4, 8]), array([7, 7, 9]))
    """
    raw = np.frombuffer(text, np.uint8)
    space = np.ones(len(raw) + 2, bool)
    space[1:-1] = _SPACES[raw]
    edges = np.flatnonzero(space[1:] != space[:-1])
    start, stop = edges[::2], edges[1::2]
    line = np.searchsorted(np.flatnonzero(raw == _NEWLINE), start) + first_line
    return Tokens(text, start, stop, line, where)


def check_columns(tokens: Tokens, width: int, what: str) -> None:
    """Raise FormatError at the first line that holds other than none or ``width`` tokens."""
    line, n = tokens.line, len(tokens.line)
    first = np.ones(n, bool)
    first[1:] = line[1:] != line[:-1]
    starts = np.flatnonzero(first)
    held = np.diff(starts, append=n)
    if (held != width).any():
        at = int((held != width).argmax())
        raise FormatError(
            f"{tokens.where}, line {line[starts[at]]}: it holds {held[at]} numbers: "
            f"it must hold {width}, {what}"
        )


def parse_integers(tokens: Tokens) -> Array:
    """Return the tokens as int64; FormatError names the first that is not one."""
    raw = np.frombuffer(tokens.text, np.uint8)
    start, length = tokens.start, tokens.stop - tokens.start
    sign = raw[start] if len(start) else np.zeros(0, np.uint8)
    signed = (sign == ord("-")) | (sign == ord("+"))
    start, length = start + signed, length - signed
    # The magnitude of -2**63 does not fit into int64, so magnitudes are unsigned.
    value = np.zeros(len(start), np.uint64)
    wrong = (length < 1) | (length > _LARGEST_DIGITS)
    for j in range(min(int(length.max(initial=0)), _LARGEST_DIGITS)):
        there = length > j
        digit = raw[np.where(there, start + j, 0)] - np.uint8(ord("0"))
        wrong |= there & (digit > 9)
        value = np.where(there, value * np.uint64(10) + digit, value)
    negative = sign == ord("-")
    if wrong.any():
        _fail_as_integer(tokens, int(wrong.argmax()), length)
    above = value > np.where(negative, np.uint64(2**63), np.uint64(2**63 - 1))
    if above.any():
        tokens.fail(int(above.argmax()), "does not fit into 64 bits")
    found = value.astype(np.int64)
    return np.where(negative, -found, found)


def _fail_as_integer(tokens: Tokens, i: int, length: Array) -> NoReturn:
    digits = tokens.text[tokens.start[i] : tokens.stop[i]].lstrip(b"+-")
    if length[i] > _LARGEST_DIGITS and digits.isdigit():
        tokens.fail(i, f"has more than {_LARGEST_DIGITS} digits")
    tokens.fail(i, "is not an integer")


def parse_floats(tokens: Tokens) -> Array:
    """Return the tokens as float64, correctly rounded; FormatError names the first that is none.

    ``nan``, ``inf`` and exponents after ``e``, ``d`` or their capitals are numbers.
    """
    if not len(tokens.start):
        return np.zeros(0)  # NumPy takes a blank text for a wrong one
    text = _only(tokens).translate(bytes.maketrans(b"dD", b"ee"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # before NumPy 2.3 bad text was a DeprecationWarning
            found: Array = np.fromstring(text, np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        found = np.zeros(0)
    # What NumPy takes for a number, and Python does not: nan(…)
    if len(found) != len(tokens.start) or b"(" in text:
        _fail_as_float(tokens)
    return found


def _only(tokens: Tokens) -> bytes:
    """Return the text with everything blanked that is not one of the tokens."""
    raw = np.frombuffer(tokens.text, np.uint8)
    # +1 where a token starts, -1 behind it: the running sum is 1 inside and 0 between.
    change = np.zeros(len(raw) + 1, np.int8)
    change[tokens.start] += 1
    change[tokens.stop] -= 1
    inside = np.cumsum(change[:-1], dtype=np.int8)
    return np.where(inside, raw, np.uint8(ord(" "))).tobytes()


def _fail_as_float(tokens: Tokens) -> NoReturn:
    """Look at one token after the other."""
    for i, (start, stop) in enumerate(zip(tokens.start, tokens.stop, strict=True)):
        token = tokens.text[start:stop].translate(bytes.maketrans(b"dD", b"ee"))
        try:
            float(token)
        except ValueError:
            tokens.fail(i, "is not a number")
        if b"_" in token:
            tokens.fail(i, "is not a number")
    raise FormatError(f"{tokens.where}: its values are not numbers as NumPy reads them")
