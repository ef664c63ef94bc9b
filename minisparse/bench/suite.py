"""What a benchmark of kernels is made of: cells, contenders, promises, and the suite of them.

A suite is a plain value. It says what could be timed and by whom; :mod:`minisparse.bench.sampling`
chooses from it what fits into the time, and :mod:`minisparse.bench.contest` times that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.extras import is_installed

Operands = Mapping[str, Array]
"""A problem's inputs as plain arrays, by name, so that any process can read them from files."""


class Cell(NamedTuple):
    """One problem.

    Attributes
    ----------
    pattern : str
        How the zeros lie: a name in :data:`minisparse.bench.patterns.PATTERNS`, or a model.
    density : float
        Stored over all elements, about.
    shape : tuple of int
        Of the sparse operand; what it means is the suite's to say.
    columns : int
        How many columns it meets: N, or what the suite says.
    dtype : str
        Of all operands.
    """

    pattern: str
    density: float
    shape: tuple[int, ...]
    columns: int
    dtype: str

    @property
    def pair(self) -> tuple[str, float]:
        """Pattern and density: what promises speak of."""
        return self.pattern, self.density


class Ready(NamedTuple):
    """A contender that has its operands in its own form.

    Attributes
    ----------
    call : callable
        Without arguments; what is timed.
    note : str
        What it chose, where it had a choice.
    """

    call: Callable[[], Any]
    note: str = ""


class Answer(NamedTuple):
    """The right result, and how far from it another right one may be.

    Attributes
    ----------
    values : ndarray of float64
        All of them positive or zero: no sum of the suites cancels.
    tolerance : float
        Relative to each value.
    """

    values: Array
    tolerance: float


@dataclass(frozen=True)
class Need:
    """Something that a contender cannot do without.

    Attributes
    ----------
    name : str
        Of the module that it imports, or of the library that it loads.
    package : str
        What ``pip install`` is to be given.
    is_found : callable or None
        Tells whether it is installed; None: whether there is such a module.
    """

    name: str
    package: str
    is_found: Callable[[], bool] | None = None

    @property
    def is_missing(self) -> bool:
        """Whether it is not installed."""
        return not (self.is_found() if self.is_found else is_installed(self.name))


@dataclass(frozen=True)
class Contender:
    """One way to solve a suite's problems.

    Attributes
    ----------
    name : str
        As tables show it.
    make : callable
        ``make(cell, operands) -> Ready``: what is done once per matrix.
    needs : tuple of Need
        What must be installed, beside NumPy.
    weighed : bool
        Whether its scratch is measured: only what NumPy allocates can be seen.
    takes : callable
        Of the cells, which it can do.
    """

    name: str
    make: Callable[[Cell, Operands], Ready]
    needs: tuple[Need, ...] = ()
    weighed: bool = False
    takes: Callable[[Cell], bool] = lambda cell: True


@dataclass(frozen=True)
class Promise:
    """A limit that the median of ratios to a peer should keep.

    Attributes
    ----------
    patterns : tuple of str
        Of which patterns.
    density : float or None
        At which density; None: at any.
    peers : tuple of str
        The ratio is to the fastest of them.
    limit : float
        At most.
    subject : str
        The contender whose time it is about; empty: ours.
    """

    patterns: tuple[str, ...]
    density: float | None
    peers: tuple[str, ...]
    limit: float
    subject: str = ""

    def covers(self, cell: Cell) -> bool:
        """Tell whether a cell is one of those that the promise speaks of."""
        return cell.pattern in self.patterns and self.density in (None, cell.density)


@dataclass(frozen=True)
class Suite:
    """Problems of one kind, those who solve them, and what was promised.

    Attributes
    ----------
    name, op, about : str
        ``--suite name``; which op it times; what it is, in a few words.
    cells : callable
        All cells, of which a sample is timed.
    cost : callable
        About how many seconds a call takes, by contender, those left out being fast.
    setup : callable
        About how many seconds making the problem and its answer takes.
    problem : callable
        ``problem(cell, rng) -> operands``.
    answer : callable
        ``answer(cell, operands) -> Answer``, by NumPy in float64.
    read : callable
        ``read(result, operands)``: a contender's result as an array like the answer's.
    contenders : tuple of Contender
        The first is ours, to which all others are compared.
    baseline : tuple of str
        The contenders whose fastest the plot compares with.
    promises : tuple of Promise
        Kept or missed by the median over cells.
    counts : callable
        Which cells promises are about.
    counted : str
        The same in words.
    candidates : tuple of str
        Contenders among which dispatch has the choice.
    row : tuple of str
        What the cells of a table's row, and of a picture's dot, have in common: attributes of
        :class:`Cell`. The picture draws a line for each first over the second.
    axis : str
        What the second is, in a word.
    largest_part : float
        A cell that takes more than this part of the budget is not timed.
    """

    name: str
    op: str
    about: str
    cells: Callable[[], list[Cell]]
    cost: Callable[[Cell], Mapping[str, float]]
    setup: Callable[[Cell], float]
    problem: Callable[[Cell, np.random.Generator], dict[str, Array]]
    answer: Callable[[Cell, Operands], Answer]
    read: Callable[[Any, Operands], Array]
    contenders: tuple[Contender, ...]
    baseline: tuple[str, ...]
    promises: tuple[Promise, ...] = ()
    counts: Callable[[Cell], bool] = lambda cell: True
    counted: str = "all cells"
    candidates: tuple[str, ...] = ()
    row: tuple[str, str] = ("pattern", "density")
    axis: str = "density"
    largest_part: float = 1 / 40

    @property
    def ours(self) -> Contender:
        """The contender that the others are compared with."""
        return self.contenders[0]


def read_array(result: Any, operands: Operands) -> Array:
    """Read a result that is an array, of NumPy's or of a library that NumPy can look into."""
    return np.asarray(result)
