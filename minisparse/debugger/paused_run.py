"""One run of a pausable function: how far it is, and what its names stand for there."""

import ast
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from minisparse.core.errors import InternalError
from minisparse.debugger.element import Term
from minisparse.debugger.moment import (
    evaluate,
    label_of,
    letters_in,
    meaning_of_names,
    number_text,
    spell,
)
from minisparse.debugger.pausable import Pausable, Statement


class PausedRun:
    """A call that runs from one pause to the next.

    Attributes
    ----------
    count : int
        Pauses so far.
    statement : Statement or None
        Where it stands; None before the first pause and after the end.
    product : object
        After a multiplication, the product that is about to be added.
    finished : bool
        Whether the function has returned.
    result : object
        What it returned.
    """

    def __init__(
        self, pausable: Pausable, operands: Sequence[Any], attrs: Mapping[str, Any]
    ) -> None:
        self.count = 0
        self.statement: Statement | None = None
        self.product: Any = None
        self.finished = False
        self.result: Any = None
        self._pausable = pausable
        self._generator = pausable.start(*operands, **attrs)

    def advance(self) -> bool:
        """Run to the next pause; False if the function returned instead."""
        if self.finished:
            return False
        try:
            number, self.product = self._generator.send(self.product)
        except StopIteration as stop:
            self.finished, self.result = True, stop.value
            self.statement = self.product = None
            return False
        self.count += 1
        self.statement = self._pausable.statements[number]
        return True

    def at(self, kind: str) -> bool:
        """Tell whether it stands at a statement of that kind."""
        return self.statement is not None and self.statement.kind == kind

    def is_labelled(self, label: str) -> bool:
        """Tell whether it stands at a moment of that label."""
        return self.statement is not None and label_of(self.statement) == label

    def has(self, letters: Mapping[str, Any]) -> bool:
        """Tell whether all letters are in scope and have these values."""
        if self.statement is None or not self.statement.scope_set.issuperset(letters):
            return False
        names = self.names()
        return all(bool(names.get(name) == value) for name, value in letters.items())

    def names(self) -> dict[str, Any]:
        """Return the function's locals as they are now; an array is the one at work."""
        return dict(inspect.getgeneratorlocals(self._generator)) if self.count else {}

    def letters(self) -> dict[str, Any]:
        """Return the numbers in scope."""
        return {} if self.statement is None else letters_in(self.statement.scope, self.names())

    def value(self, expression: ast.expr | None) -> Any:
        """Return the present value of a part of the statement, None for none."""
        if expression is None:
            return None
        return evaluate(expression, self.names(), self._pausable.function.__globals__)

    def term(self) -> Term:
        """Describe a multiplication, and go on to the addition that follows."""
        statement = self.statement
        if statement is None or statement.left is None or statement.right is None:
            raise InternalError("asked for a multiplication where there is none")
        names, product, count = self.names(), self.product, self.count
        before, target = self.value(statement.target), statement.target
        left, right = statement.left, statement.right
        factors = self.value(left), self.value(right)
        self.advance()
        return Term(
            count,
            letters_in(statement.scope, names),
            spell(left, names),
            spell(right, names),
            factors,
            "" if target is None else spell(target, names),
            product,
            before,
            self.value(target),
        )

    def meaning(self, before: Any, product: Any) -> str:
        """Say in one line what the statement has just done.

        Parameters
        ----------
        before, product : number
            Of an addition: the sum before, and what was added to it.
        """
        statement, names = self.statement, self.names()
        if statement is None:
            return ""
        if statement.left is not None and statement.right is not None:
            factors = (statement.left, statement.right)
            written = " * ".join(spell(factor, names) for factor in factors)
            values = " * ".join(number_text(self.value(factor)) for factor in factors)
            return f"{written} = {values} = {number_text(self.product)}"
        if statement.kind in ("accumulate", "store") and statement.target is not None:
            target = spell(statement.target, names)
            now = number_text(self.value(statement.target))
            if product is None:
                return f"{target} = {now}"
            return f"{target} = {number_text(before)} + {number_text(product)} = {now}"
        return _ENDS.get(statement.kind) or meaning_of_names(statement, names)


_ENDS = {
    "continue": "the rest of this turn is left out",
    "break": "the loop is left",
    "return": "the loops are done; one more step returns the result",
}
