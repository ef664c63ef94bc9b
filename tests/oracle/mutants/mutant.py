"""What a buggy implementation of the corpus is, and how the corpus is written down."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Fn = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation of one contract.

    Attributes
    ----------
    op : str
        Which contract it breaks.
    kind : str
        The class of bug, for the score.
    make : callable
        Returns the implementation: one with a memory starts with an empty one.
    name : str
        The function's.
    """

    op: str
    kind: str
    make: Callable[[], Fn]
    name: str


class Corpus(list[Mutant]):
    """A list that functions are put on by a decorator: ``@BUGS("spmm_coo", "order")``."""

    def __call__(self, op: str, kind: str) -> Callable[[Fn], Fn]:
        """Return a decorator that adds a function as a mutant."""

        def add(fn: Fn) -> Fn:
            self.append(Mutant(op, kind, lambda: fn, fn.__name__))
            return fn

        return add
