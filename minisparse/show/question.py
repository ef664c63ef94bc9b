"""A question to a reader of a tutorial, whose answer is checked by code."""

from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True)
class Question:
    """A question with a number for an answer.

    Attributes
    ----------
    answer : float
        The right answer.
    hint : str
        What is said to a wrong one.
    tolerance : float
        Largest accepted ratio between given and right answer, minus one; 0 demands equality.
    number : int, optional
        Which of a page's questions it is, said before each reply: there are several in a row where
        a page runs as a script.

    Examples
    --------
    >>> q = Question(answer=12, hint="count the stored entries, not the elements")
    >>> print(q.check(None))
    not answered yet: replace None by your number
    >>> print(q.check("twelve"))
    write a number, not 'twelve'
    >>> print(q.check(12))
    right
    >>> print(q.check(100))
    not quite: count the stored entries, not the elements
    >>> print(Question(12, "count the stored entries", number=3).check(12))
    question 3: right
    """

    answer: float
    hint: str
    tolerance: float = 0.0
    number: int | None = None

    def check(self, given: float | None) -> str:
        """Say whether an answer is right."""
        reply = self._reply(given)
        return reply if self.number is None else f"question {self.number}: {reply}"

    def _reply(self, given: float | None) -> str:
        if given is None:
            return "not answered yet: replace None by your number"
        if not isinstance(given, Real):
            return f"write a number, not {given!r}"
        error = abs(given - self.answer)
        return "right" if error <= self.tolerance * abs(self.answer) else f"not quite: {self.hint}"
