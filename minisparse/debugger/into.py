"""Step inside of a kernel: the very ``loops`` function, paused after each of its statements.

Going back runs the loops again from their begin, up to one step before: they are deterministic, so
every value is the same.

With pdb
--------
What runs is compiled from the kernel's own file with its own lines, so pdb follows::

    (Pdb) break minisparse/kernels/spmm/csr.py:40
    (Pdb) continue

stops there during ``session.into(...).finish()`` as during a plain call. To have pdb alone, call
the function yourself: ``pdb.runcall(kernel.function, *kernel.operands, **kernel.attrs)``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minisparse.core.errors import InternalError, UsageError
from minisparse.debugger.element import Element, Term
from minisparse.debugger.moment import (
    Moment,
    label_of,
    letters_text,
    source_lines,
)
from minisparse.debugger.pausable import make_pausable
from minisparse.debugger.paused_run import PausedRun
from minisparse.show import card, clean

_MOST_LINES = 32
"""Lines of a function that are listed before its first step."""


class KernelSession:
    """Steps through one call of a kernel's loops.

    Parameters
    ----------
    title : str
        Node and kernel, for what is shown.
    function : callable
        The ``loops`` level of a kernel.
    operands : sequence
        What it is called with.
    attrs : mapping, optional
        Keywords.

    Examples
    --------
    >>> import numpy as np
    >>> from minisparse.formats import CSR
    >>> from minisparse.kernels import KERNELS
    >>> A = CSR(np.array([2.0, 3.0]), [0, 1], [0, 1, 2], (2, 2))
    >>> loops = KERNELS["spmm_csr"].levels["loops"].run
    >>> inside = KernelSession("spmm_csr", loops, (A, np.ones((2, 1))))
    >>> inside.until(m=1, n=0).label
    'column'
    >>> print(inside.step().meaning)
    a.data[1] * b[1, 0] = 3 * 1 = 3
    >>> inside.finish()
    array([[2.],
           [3.]])
    """

    def __init__(
        self,
        title: str,
        function: Callable[..., Any],
        operands: Sequence[Any],
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        self.title = title
        self.function = function
        self.operands = tuple(operands)
        self.attrs = dict(attrs or {})
        self._pausable = make_pausable(function)
        self._run = self._start()
        self._moment: Moment | None = None

    # -- moving ----------------------------------------------------------------------------------

    def step(self) -> Moment | None:
        """Run one statement, a multiply-add in two, and return what it did; None at the end."""
        statement, product = self._run.statement, self._run.product
        before = self._run.value(statement.target) if statement is not None else None
        on = self._advance(self._run.count)
        self._moment = self._describe(before, product) if on else None
        return self._moment

    def back(self, steps: int = 1) -> Moment | None:
        """Return to some steps before, or to the begin; None there."""
        return self._go_to(self._run.count + self.finished - steps)

    def next_row(self) -> Moment | None:
        """Run until the next row; None if there is none.

        That is the next turn of a loop over m, or else where m becomes another number: loops over
        entries or blocks set m again and again in the same row.
        """
        before = self._run.names().get("m")
        return self._next("row", lambda run: run.at("loop") or run.names().get("m") != before)

    def next_slot(self) -> Moment | None:
        """Run until the next slot, a stored entry or in BSR a block; None if there is none."""
        return self._next("slot")

    def until(self, **letters: int) -> Moment:
        """Run until the letters come to have these values, all in scope: ``until(m=3, n=0)``.

        Raises
        ------
        UsageError
            If no later moment has them; the session stays where it was.
        """
        self._check_letters(letters)
        if not self._search(lambda run: run.has(letters), anew=True) or self._moment is None:
            raise UsageError(
                f"{self.title}: no moment after step {self.count} has {letters_text(letters)}"
            )
        return self._moment

    def finish(self) -> Any:
        """Run to the end and return the result."""
        begin = self._run.count
        while self._advance(begin):
            pass
        self._moment = None
        return self.result

    # -- looking ---------------------------------------------------------------------------------

    @property
    def moment(self) -> Moment | None:
        """Where the session stands; None before the first step and after the last."""
        return self._moment

    @property
    def listing(self) -> list[str]:
        """The source around, an arrow at the line that has just run."""
        if self._moment is not None:
            return self._moment.listing
        first, last = self._pausable.first, self._pausable.last
        return source_lines(self._pausable.file, first, min(last, first + _MOST_LINES))

    @property
    def count(self) -> int:
        """How many steps have been done."""
        return self._run.count

    @property
    def finished(self) -> bool:
        """Whether the loops have returned."""
        return self._run.finished

    @property
    def letters(self) -> dict[str, Any]:
        """The numbers in scope, by name."""
        return self._run.letters()

    @property
    def values(self) -> dict[str, Any]:
        """Every local of the function, arrays as they are at this moment; empty at both ends."""
        return {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in self._run.names().items()
        }

    @property
    def result(self) -> Any:
        """What the loops returned.

        Raises
        ------
        UsageError
            If they have not yet.
        """
        if not self.finished:
            raise UsageError(f"{self.title}: the loops are still running; call finish() first")
        return self._run.result

    def element(self, m: int, n: int | None = None, **others: int) -> Element:
        """Return all multiply-adds that make ``C[m, n]``, or the whole row m without ``n``.

        The loops run once from begin to end for it; the session stays where it is.

        Parameters
        ----------
        m, n : int
            Row and column of C; of a convolution's result filter and image.
        **others : int
            Further letters of the loops: ``row=0, column=0`` of a convolution's result.

        Raises
        ------
        UsageError
            If the kernel's loops do not multiply inside of loops over these letters.
        """
        wanted = {"m": m, **({} if n is None else {"n": n}), **others}
        self._check_letters(wanted, "multiply")
        terms: list[Term] = []
        run = self._start()
        while run.advance():
            if run.at("multiply") and run.has(wanted):
                terms.append(run.term())
        return Element(self.title, letters_text(wanted), tuple(terms))

    def __repr__(self) -> str:
        """Return one line: what, how far."""
        where = "finished" if self.finished else f"step {self.count}"
        at = "" if self._moment is None else f", {self._moment.label} {letters_text(self.letters)}"
        return clean(f"KernelSession({self.title}, {where}{at})".replace(" )", ")"))

    def __str__(self) -> str:
        """Return the present moment as text."""
        return repr(self) if self._moment is None else str(self._moment)

    def _repr_html_(self) -> str:
        """Return the present moment as a card."""
        if self._moment is None:
            return card(repr(self))
        return self._moment._repr_html_()

    # -- how -------------------------------------------------------------------------------------

    def _start(self) -> PausedRun:
        return PausedRun(self._pausable, self.operands, self.attrs)

    def _advance(self, otherwise: int) -> bool:
        """Run to the next pause; after an error or an interrupt stand at a step as before."""
        try:
            return self._run.advance()
        except BaseException:  # whatever it is, it ended the run; and it goes on to the caller
            self._go_to(otherwise)
            raise

    def _next(
        self, label: str, also: Callable[[PausedRun], bool] = lambda _: True
    ) -> Moment | None:
        known = [label_of(s) for s in self._pausable.statements]
        if label not in known:
            raise UsageError(
                f"{self.title}: its loops have no {label} of their own; "
                f"they have: {', '.join(dict.fromkeys(known))}"
            )
        found = self._search(lambda run: run.is_labelled(label) and also(run))
        return self._moment if found else None

    def _search(self, wanted: Callable[[PausedRun], bool], anew: bool = False) -> bool:
        """Run on until a moment is as wanted, ``anew`` after one that is not; else stay."""
        begin, found, was = self._run.count, False, anew and wanted(self._run)
        try:
            while not found and self._run.advance():
                now = wanted(self._run)
                found, was = now and not was, anew and now
        finally:  # an interrupt from the keyboard too leaves things as they were
            if not found:
                self._go_to(begin)
        if found:
            self._moment = self._describe(None, None)
        return found

    def _go_to(self, count: int) -> Moment | None:
        """Run again from the begin up to a step."""
        self._run, self._moment = self._start(), None
        for _ in range(count - 1):
            self._run.advance()
        return self.step() if count > 0 else None

    def _check_letters(self, letters: Mapping[str, Any], kind: str | None = None) -> None:
        """Raise UsageError unless some moment (of a kind) has all these letters in scope."""
        places = [s for s in self._pausable.statements if kind is None or s.kind == kind]
        if any(s.scope_set.issuperset(letters) for s in places):
            return
        known = dict.fromkeys(name for s in places for name in s.scope)
        raise UsageError(
            f"{self.title}: its loops never have {' and '.join(letters)}"
            f"{' where they multiply' if kind == 'multiply' else ''}; "
            f"they have: {', '.join(known) or 'none'}"
        )

    def _describe(self, before: Any, product: Any) -> Moment:
        """Return the present moment; ``before`` and ``product`` belong to an addition."""
        statement = self._run.statement
        if statement is None:
            raise InternalError("asked for a moment where the loops do not stand")
        return Moment(
            self._run.count,
            label_of(statement),
            self._run.letters(),
            self._run.meaning(before, product),
            self._pausable.file,
            statement.line,
            statement.end,
            self._pausable.first,
            self._pausable.last,
            self.title,
        )
