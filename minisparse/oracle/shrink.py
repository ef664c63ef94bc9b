"""Make a failing problem small: fewest rows first, then fewest entries, then the plainest values.

Greedy: pieces are left out, halves first and single ones last, as long as the failure stays
(Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, IEEE TSE 28(2), 2002).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.triplets import Triplets
from minisparse.oracle.problem import Problem

Change = Callable[[Problem, Array], Problem]


class _Budget:
    """Counts attempts, and remembers the smallest problem that still fails."""

    def __init__(self, best: Problem, fails: Callable[[Problem], bool], most: int) -> None:
        self.best = best
        self._fails = fails
        self._left = most

    @property
    def spent(self) -> bool:
        """Whether no attempt is left."""
        return self._left <= 0

    def accepts(self, problem: Problem) -> bool:
        """Try a smaller problem, and keep it if it still fails."""
        if self.spent:
            return False
        self._left -= 1
        if not self._fails(problem):
            return False
        self.best = problem
        return True


def shrink(problem: Problem, fails: Callable[[Problem], bool], most: int = 200) -> Problem:
    """Return a problem that still fails and is no larger.

    Parameters
    ----------
    problem : Problem
        One that fails.
    fails : callable
        Tells whether a problem fails in the same way.
    most : int
        How often ``fails`` may be asked.
    """
    search = _Budget(problem, fails, most)
    for is_there, without in _PLAINER:
        if is_there(search.best):
            search.accepts(without(search.best))
    before = None
    while before is not search.best and not search.spent:
        before = search.best
        _leave_out(search, lambda p: p.a.shape[0], _with_rows)
        _leave_out(
            search, _size_of_square, lambda p, keep: _with_columns(_with_rows(p, keep), keep)
        )
        _leave_out(search, lambda p: len(p.a.row), Problem.with_entries)
        _leave_out(search, lambda p: p.b.shape[1], lambda p, keep: replace(p, b=p.b[:, keep]))
        _leave_out(search, lambda p: p.a.shape[1], _with_columns)
    _plainest_values(search)
    return search.best


def _as_float32(problem: Problem) -> Problem:
    """Return the problem with every value rounded to float32."""
    a = problem.a
    earlier = None if problem.earlier is None else problem.earlier.real.astype(np.float32)
    return replace(
        problem,
        a=a._replace(data=a.data.real.astype(np.float32)),
        b=problem.b.real.astype(np.float32),
        bias=problem.bias.real.astype(np.float32),
        earlier=earlier,
    )


_PLAINER: tuple[tuple[Callable[[Problem], bool], Callable[[Problem], Problem]], ...] = (
    (lambda p: p.earlier is not None, lambda p: replace(p, earlier=None, in_place=False)),
    (lambda p: p.in_place, lambda p: replace(p, in_place=False)),
    (lambda p: p.layout != "C", lambda p: replace(p, layout="C")),
    (
        lambda p: p.index_dtypes != ("int32", "int32"),
        lambda p: replace(p, index_dtypes=("int32", "int32")),
    ),
    (lambda p: p.block != (1, 1), lambda p: replace(p, block=(1, 1))),
    (lambda p: p.block not in ((1, 1), (2, 2)), lambda p: replace(p, block=(2, 2))),
    (lambda p: {p.a.data.dtype.name, p.b.dtype.name} != {"float32"}, _as_float32),
)
"""What matters only for some failures: when it is there, and the problem without it."""


def _leave_out(search: _Budget, size: Callable[[Problem], int], keep: Change) -> None:
    """Leave out pieces, from half of all down to single ones."""
    piece = size(search.best) and max(1, size(search.best) // 2)
    while piece and not search.spent:
        start = 0
        while start < size(search.best) and not search.spent:
            mask = np.ones(size(search.best), bool)
            mask[start : start + piece] = False
            if not search.accepts(keep(search.best, mask)):
                start += piece
        piece //= 2


def _with_rows(problem: Problem, keep: Array) -> Problem:
    """Return the problem without some rows of A."""
    left = problem.with_entries(keep[problem.a.row])
    number = np.cumsum(keep) - 1
    a = Triplets(number[left.a.row], left.a.col, left.a.data, (int(keep.sum()), left.a.shape[1]))
    return replace(left, a=a, bias=problem.bias[keep])


def _size_of_square(problem: Problem) -> int:
    """Return M where K is the same: some failures want it so."""
    return problem.a.shape[0] if problem.a.shape[0] == problem.a.shape[1] else 0


def _with_columns(problem: Problem, keep: Array) -> Problem:
    """Return the problem without some columns of A, and rows of b."""
    left = problem.with_entries(keep[problem.a.col])
    number = np.cumsum(keep) - 1
    a = Triplets(left.a.row, number[left.a.col], left.a.data, (left.a.shape[0], int(keep.sum())))
    return replace(left, a=a, b=problem.b[keep])


def _plainest_values(search: _Budget) -> None:
    """Set values to 1 or 0: all at once, else one by one."""
    places: tuple[tuple[Callable[[Problem], Array], Callable[[Problem, Array], Problem]], ...] = (
        (lambda p: p.a.data, lambda p, x: replace(p, a=p.a._replace(data=x))),
        (lambda p: p.b, lambda p, x: replace(p, b=x)),
        (lambda p: p.bias, lambda p, x: replace(p, bias=x)),
    )
    for read, write in places:
        if search.accepts(write(search.best, np.ones_like(read(search.best)))):
            continue
        for i in range(read(search.best).size):
            for value in (0, 1):
                x = read(search.best).copy()
                if x.flat[i] in (0, 1):
                    break
                x.flat[i] = value
                if search.accepts(write(search.best, x)):
                    break
