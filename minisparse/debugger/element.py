"""All multiply-adds that make one element of a kernel's result, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minisparse.debugger.moment import number_text
from minisparse.show import card, paragraph, table, table_text

_MOST = 24
"""Terms that a table shows."""


@dataclass(frozen=True)
class Term:
    """One multiply-add.

    Attributes
    ----------
    count : int
        The step of the multiplication, as ``KernelSession.count`` counts.
    letters : mapping
        The numbers in scope.
    left, right : str
        The factors as written, indices as numbers: ``a.data[7]``, ``b[17, 0]``.
    factors : tuple
        Their values.
    target : str
        To what it is added, as written.
    product : number
        What is added.
    before, after : number
        The sum before and after, in the accumulator's dtype.
    """

    count: int
    letters: Mapping[str, Any]
    left: str
    right: str
    factors: tuple[Any, Any]
    target: str
    product: Any
    before: Any
    after: Any


@dataclass(frozen=True)
class Element:
    """What an element of the result is made of.

    Attributes
    ----------
    title : str
        Node and kernel.
    wanted : str
        Which element: ``m=3 n=0``.
    terms : tuple of Term
        Its multiply-adds in the order in which they happen; empty if no stored entry meets it.
    """

    title: str
    wanted: str
    terms: tuple[Term, ...]

    @property
    def products(self) -> tuple[Any, ...]:
        """What is added up."""
        return tuple(term.product for term in self.terms)

    @property
    def summary(self) -> str:
        """How many multiply-adds, and what they come to where they make one element."""
        if not self.terms:
            why = "no stored entry meets it, or C ends before"
            return f"{self.wanted}: no multiply-add makes it; {why}"
        count = len(self.terms)
        adds = f"{self.wanted}: {count} multiply-add{'s' * (count > 1)}"
        make = "make" if count > 1 else "makes"
        targets = {term.target for term in self.terms}
        if len(targets) > 1:
            return f"{adds} for {len(targets)} elements"
        return f"{adds} {make} {targets.pop()} = {number_text(self.terms[-1].after)}"

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            (
                str(t.count),
                f"{t.left} * {t.right}",
                f"{number_text(t.factors[0], 4)} * {number_text(t.factors[1], 4)}",
                number_text(t.product, 4),
                number_text(t.after),
            )
            for t in self.terms[:_MOST]
        ]
        left_out = len(self.terms) - len(rows)
        return rows + [("...", f"{left_out} more")] * bool(left_out)

    def __str__(self) -> str:
        """Return one row a multiply-add."""
        if not self.terms:
            return self.summary
        return f"{self.summary}\n{table_text(_HEADERS, self._rows(), align='rlrrr')}"

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        return card(self.title, paragraph(self.summary), table(_HEADERS, self._rows()))


_HEADERS = ("step", "multiplied", "values", "product", "sum")
