"""From the levels of a matrix to the statements that visit its entries.

Each level contributes a few statements, whatever stands around it: so a format's loop nest is
composed, and no format has a template. The statements are shared by the loops that run in Python
and by the thread program.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from minisparse.kernels.generate.nest import Nest
from minisparse.kernels.generate.storage import Level

BLOCK_LETTERS = ("i", "j")
"""The coordinates of a block, by axis."""
INSIDE_LETTERS = ("u", "v")
"""The coordinates of a cell inside of its block."""


class Loop(NamedTuple):
    """A loop over a range; ``axis`` tells which dimension of the matrix it helps to find."""

    axis: int
    letter: str
    start: str
    stop: str
    note: str

    @property
    def range(self) -> str:
        """Its range as source."""
        return f"range({self.stop})" if self.start == "0" else f"range({self.start}, {self.stop})"


class Let(NamedTuple):
    """A coordinate that is computed or looked up."""

    axis: int
    letter: str
    value: str


class Guard(NamedTuple):
    """What has to hold for all that follows."""

    axis: int
    condition: str
    note: str


Statement = Loop | Let | Guard


class Language(NamedTuple):
    """What the two languages write differently.

    Attributes
    ----------
    stored : callable
        From the name of one of the matrix's arrays to its text.
    length : callable
        From a letter to the text of its length.
    whole : str
        What makes an ordinary integer of an index that is a byte.
    """

    stored: Callable[[str], str]
    length: Callable[[str], str]
    whole: str


class Walk(NamedTuple):
    """How the entries of a matrix are visited.

    Attributes
    ----------
    statements : tuple
        Outermost first; each stands inside of those before it.
    slot : str
        The index of an entry's value in the stored values.
    """

    statements: tuple[Statement, ...]
    slot: str


def walk(nest: Nest, language: Language) -> Walk:
    """Return the statements that visit each entry of the nest's matrix once.

    Examples
    --------
    >>> from minisparse.core.tensor_type import TensorType
    >>> from minisparse.ops import SPMV
    >>> import numpy as np
    >>> from minisparse.kernels.generate.nest import describe
    >>> f4 = np.dtype("float32")
    >>> nest = describe(SPMV, (TensorType((4, 6), f4, "csr", 7), TensorType((6,), f4)))
    >>> found = walk(nest, Language(lambda name: f"a.{name}", nest.length, "int"))
    >>> for statement in found.statements:
    ...     print(statement[1:4])
    ('m', '0', '4')
    ('p', 'a.indptr[m]', 'a.indptr[m + 1]')
    ('k', 'a.indices[p]')
    """
    letters = nest.expression.stored.letters
    statements: list[Statement] = []
    parent = ""
    for level in nest.levels:
        writer = _WRITERS[level.kind]
        statements += writer(nest, language, level, letters[level.axis], parent)
        if level.kind == "dense":
            parent = BLOCK_LETTERS[level.axis] if level.blocked else letters[level.axis]
    return Walk(tuple(statements), _slot(nest))


def _slot(nest: Nest) -> str:
    """Return where an entry's value lies: the slot, and within it what the levels left."""
    kinds = [level.kind for level in nest.levels]
    letters = nest.expression.stored.letters
    if set(kinds) == {"dense"}:
        return ", ".join(letters)
    if "grouped" in kinds:
        return f"{letters[0]}, p"
    inside = [INSIDE_LETTERS[level.axis] for level in nest.levels if level.kind == "inside"]
    return ", ".join(["p", *inside])


def _dense(
    nest: Nest, language: Language, level: Level, letter: str, parent: str
) -> Iterator[Statement]:
    axis, size = level.axis, nest.size(letter)
    if not level.blocked:
        yield Loop(axis, letter, "0", language.length(letter), f"{letter} is dense: all of them")
        return
    stop = f"len({language.stored('indptr')}) - 1"
    if size is not None:
        stop = str(-(-size // nest.block[axis]))
    note = f"{letter} in blocks of {nest.block[axis]}, dense: all blocks"
    yield Loop(axis, BLOCK_LETTERS[axis], "0", stop, note)


def _compressed(
    nest: Nest, language: Language, level: Level, letter: str, parent: str
) -> Iterator[Statement]:
    pointers = language.stored("indptr")
    start, stop = f"{pointers}[{parent}]", f"{pointers}[{parent} + 1]"
    of = f"blocks of {letter}" if level.blocked else letter
    yield Loop(level.axis, "p", start, stop, f"{of} compressed: those that are stored")
    if not level.blocked:
        yield Let(level.axis, letter, f"{language.stored('indices')}[p]")


def _listed(
    nest: Nest, language: Language, level: Level, letter: str, parent: str
) -> Iterator[Statement]:
    stop = f"len({language.stored('data')})"
    yield Loop(level.axis, "p", "0", stop, "entries are listed, each with its coordinates")
    yield Let(level.axis, letter, f"{language.stored(_COORDINATES[level.axis])}[p]")


_COORDINATES = ("row", "col")


def _singleton(
    nest: Nest, language: Language, level: Level, letter: str, parent: str
) -> Iterator[Statement]:
    yield Let(level.axis, letter, f"{language.stored(_COORDINATES[level.axis])}[p]")


def _grouped(
    nest: Nest, language: Language, level: Level, letter: str, parent: str
) -> Iterator[Statement]:
    (n, m), size, axis = nest.block, nest.size(letter), level.axis
    groups = f"{language.whole}({language.stored('data')}.shape[1] // {n})"
    if size is not None:
        groups = str(-(-size // m))
    yield Loop(axis, "g", "0", groups, f"{letter} in groups of {m}, all of them")
    yield Loop(axis, "s", "0", str(n), f"{n} of {m} are stored")
    yield Let(axis, "p", f"g * {n} + s")
    place = f"{language.whole}({language.stored('positions')}[{parent}, p])"
    yield Let(axis, letter, f"g * {m} + {place}")
    yield from _guard(nest, language, level, letter, m, "a group may reach beyond the matrix")


def _inside(
    nest: Nest, language: Language, level: Level, letter: str, parent: str
) -> Iterator[Statement]:
    axis, length = level.axis, nest.block[level.axis]
    cell = INSIDE_LETTERS[axis]
    outer = next(x for x in nest.levels if x.axis == axis and x.blocked)
    block = BLOCK_LETTERS[axis] if outer.kind == "dense" else f"{language.stored('indices')}[p]"
    yield Loop(axis, cell, "0", str(length), f"inside of a block, {letter} is dense")
    yield Let(axis, letter, f"{block} * {length} + {cell}")
    yield from _guard(nest, language, level, letter, length, "a block may reach beyond the matrix")


def _guard(
    nest: Nest, language: Language, level: Level, letter: str, step: int, note: str
) -> Iterator[Statement]:
    """Yield a guard, unless the length is known and ``step`` divides it."""
    size = nest.size(letter)
    if size is None or size % step:
        yield Guard(level.axis, f"{letter} < {language.length(letter)}", note)


_WRITERS: dict[str, Callable[[Nest, Language, Level, str, str], Iterator[Statement]]] = {
    "dense": _dense,
    "compressed": _compressed,
    "listed": _listed,
    "singleton": _singleton,
    "grouped": _grouped,
    "inside": _inside,
}
