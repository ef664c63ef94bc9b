"""An op as an index expression: which letters its result has, and which products are summed.

``c[m, n] += a[m, k] * b[k, n]`` says all that a loop nest needs to know of SpMM: every letter is a
loop, letters that the result lacks are summed over, and a is what is stored sparse (Kjolstad et
al., "The tensor algebra compiler", OOPSLA 2017). Nothing in it depends on a format.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from minisparse.core.errors import UnsupportedOpError, UsageError

_REFERENCE = r"\s*([a-z])\[([a-z](?:, [a-z])*)\]\s*"
_SUM = re.compile(rf"{_REFERENCE}\+={_REFERENCE}\*{_REFERENCE}(?:, times{_REFERENCE})?")


class Reference(NamedTuple):
    """An array and the letters that index it.

    Examples
    --------
    >>> print(Reference("b", ("k", "n")))
    b[k, n]
    """

    name: str
    letters: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.name}[{', '.join(self.letters)}]"


@dataclass(frozen=True)
class Expression:
    """A sum of products of two arrays, perhaps scaled and sampled by a third.

    Attributes
    ----------
    result : Reference
        What is added to.
    factors : tuple of Reference
        The two that are multiplied, in this order.
    scale : Reference or None
        The sparse array of a sampled product: the result is computed where it stores an entry,
        stored as it is, and scaled by its values.
    """

    result: Reference
    factors: tuple[Reference, Reference]
    scale: Reference | None = None

    @property
    def stored(self) -> Reference:
        """The array that may be stored sparse: always ``a``."""
        return next(r for r in (*self.factors, *self.scaled) if r.name == "a")

    @property
    def scaled(self) -> tuple[Reference, ...]:
        """The array that scales, if any."""
        return () if self.scale is None else (self.scale,)

    @property
    def plain(self) -> tuple[Reference, ...]:
        """The dense operands, in the order in which they are multiplied."""
        return tuple(r for r in self.factors if r.name != "a")

    @property
    def free(self) -> tuple[str, ...]:
        """The letters that the stored array does not have: their loops go over everything."""
        letters = dict.fromkeys(letter for r in self.plain for letter in r.letters)
        return tuple(letter for letter in letters if letter not in self.stored.letters)

    @property
    def summed(self) -> tuple[str, ...]:
        """The letters that the result does not have."""
        letters = dict.fromkeys(letter for r in self.factors for letter in r.letters)
        return tuple(letter for letter in letters if letter not in self.result.letters)

    def __str__(self) -> str:
        """Return it as it is written."""
        text = f"{self.result} += {self.factors[0]} * {self.factors[1]}"
        return text if self.scale is None else f"{text}, times {self.scale}"


def parse(text: str) -> Expression:
    """Read an index expression.

    Raises
    ------
    UsageError
        If it is not of the form ``c[m, n] += a[m, k] * b[k, n]``, perhaps ``, times a[m, n]``.

    Examples
    --------
    >>> spmm = parse("c[m, n] += a[m, k] * b[k, n]")
    >>> print(spmm.stored, spmm.free, spmm.summed)
    a[m, k] ('n',) ('k',)
    """
    found = _SUM.fullmatch(text)
    if found is None:
        raise UsageError(
            f"generate: {text!r:.80} is no index expression that is known here: "
            f"write it like c[m, n] += a[m, k] * b[k, n]"
        )
    pairs = [found.groups()[i : i + 2] for i in range(0, 8, 2)]
    references = [Reference(name, tuple(ls.split(", "))) for name, ls in pairs if name is not None]
    names = [r.name for r in references[1:]]
    if names.count("a") != 1 or len(set(names)) < len(names):
        raise UsageError(f"generate: {text!r:.80} must have one array a, and no array twice")
    scale = references[3] if len(references) == 4 else None
    return Expression(references[0], (references[1], references[2]), scale)


EXPRESSIONS = {
    "spmm": "c[m, n] += a[m, k] * b[k, n]",
    "spmv": "y[m] += a[m, k] * x[k]",
    "spmm_t": "c[k, n] += a[m, k] * b[m, n]",
    "dsmm": "c[n, k] += b[n, m] * a[m, k]",
    "sddmm": "c[m, n] += x[m, d] * y[d, n], times a[m, n]",
}
"""The ops that loop nests are written for. Another sum of products with one matrix is a line."""


def expression_of(op: str) -> Expression:
    """Return the index expression of an op.

    Raises
    ------
    UnsupportedOpError
        If it has none here.

    Examples
    --------
    >>> print(expression_of("spmv"))
    y[m] += a[m, k] * x[k]
    """
    if op not in EXPRESSIONS:
        raise UnsupportedOpError(
            f"generate: there is no index expression for {op!r:.40}; there is one for: "
            f"{', '.join(EXPRESSIONS)}"
        )
    return parse(EXPRESSIONS[op])
