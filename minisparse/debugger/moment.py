"""What a moment inside of a kernel shows: the line, the letters, and what has just happened.

The letters mean the same in every kernel: A ``[M, K]`` is sparse, B ``[K, N]`` dense, C ``[M, N]``
the result; m, k and n run over them, and p is a slot: the place of one stored entry, or block.
"""

import ast
import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.debugger.pausable import Statement
from minisparse.formats import BSR
from minisparse.show import card, clean, shorten, wrap
from minisparse.show.html import escape

_LETTERS = {
    "m": ("row", "row {} of A and C"),
    "p": ("slot", "slot {}: a stored entry of A"),
    "k": ("column", "column {} of A, row {} of B"),
    "n": ("column", "column {} of B and C"),
}
_BLOCK = "slot {}: a stored block of A"
_AROUND = 6
"""Lines shown before and after the current one."""


@dataclass(frozen=True)
class Moment:
    """One pause inside of a kernel's loops; the line that it shows has just run.

    Attributes
    ----------
    count : int
        How many steps lie behind, this one included.
    label : str
        ``"row"``, ``"slot"``, ``"column"``, ``"multiply"`` or ``"accumulate"``; between these
        ``"assign"``, ``"store"``, ``"loop"``, ``"return"`` or ``"line"``.
    letters : mapping
        The numbers in scope by name: those of the loops around, and what was set inside.
    meaning : str
        What has just happened, in one line.
    file : str
        Where the loops are written.
    line, end : int
        The statement's first and last line; of a loop those of its head.
    first, last : int
        The lines of the whole function.
    title : str
        Node and kernel.
    """

    count: int
    label: str
    letters: Mapping[str, Any]
    meaning: str
    file: str
    line: int
    end: int
    first: int
    last: int
    title: str

    @property
    def brief(self) -> str:
        """Two or three lines: the source line, what it did, the letters."""
        lines = [linecache.getline(self.file, i) for i in range(self.line, self.end + 1)]
        indent = len(lines[0]) - len(lines[0].lstrip())
        source = " " * indent + " ".join(line.strip() for line in lines)
        told = [f"{self.line:4d}->{clean(source)}", f"      {self.label}: {clean(self.meaning)}"]
        letters = letters_text(self.letters)
        if len(told[1]) + len(letters) + 2 <= 80:
            told[1] = f"{told[1]:{78 - len(letters)}}  {letters}"
        else:
            told.append(f"      {letters}")
        return "\n".join(shorten(line.rstrip(), 80) for line in told)

    @property
    def listing(self) -> list[str]:
        """The lines around, an arrow at the one that has just run."""
        low, high = max(self.first, self.line - _AROUND), min(self.last, self.line + _AROUND)
        return source_lines(self.file, low, high, self.line)

    def __str__(self) -> str:
        """Return the lines around, the letters, and what happened."""
        lines = [shorten(clean(line).rstrip(), 80) for line in self.listing]
        return "\n".join(
            [
                shorten(clean(f"{self.title}, step {self.count}: {self.label}"), 80),
                "",
                *lines,
                "",
                *([wrap(letters_text(self.letters), 80)] if self.letters else []),
                wrap(self.meaning, 80),
            ]
        )

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        lines = [
            f"<b>{escape(line)}</b>" if line.startswith("->") else escape(line)
            for line in self.listing
        ]
        pre = '<pre style="margin: 0; line-height: 1.35">' + "\n".join(lines) + "</pre>"
        happened = f"<b>{escape(self.meaning)}</b>"
        return card(
            f"{self.title}, step {self.count}: {self.label}",
            pre,
            f"<code>{escape(letters_text(self.letters))}</code>",
            happened,
        )


def source_lines(file: str, low: int, high: int, line: int | None = None) -> list[str]:
    """Return lines of a file with their numbers, an arrow at one of them."""
    return [
        f"{'->' if i == line else '  '} {i:4d}  {linecache.getline(file, i).rstrip()}"
        for i in range(low, high + 1)
    ]


def letters_text(letters: Mapping[str, Any]) -> str:
    """Return ``m=3 p=7``."""
    return " ".join(f"{name}={number_text(value)}" for name, value in letters.items())


def number_text(value: Any, digits: int = 6) -> str:
    """Return a number in at most so many digits, an array by its type.

    Examples
    --------
    >>> number_text(np.float32(0.1)), number_text(7), number_text(np.zeros((2, 3)))
    ('0.1', '7', 'float64[2, 3]')
    """
    array = np.asarray(value)
    if array.ndim:
        return f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    if array.dtype.kind == "c":
        return f"{complex(value):.{digits}g}"
    # bfloat16 of ml_dtypes is of kind V
    return f"{float(value):.{digits}g}" if array.dtype.kind in "fV" else str(value)


def is_number(value: Any) -> bool:
    """Tell whether a local is shown among the letters."""
    return isinstance(value, int | float | complex | np.generic)


def letters_in(scope: tuple[str, ...], names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers among the names in scope."""
    return {name: names[name] for name in scope if name in names and is_number(names[name])}


def label_of(statement: Statement) -> str:
    """Return what kind of moment a statement is: the letter it sets says more than its form."""
    named = [name for name in _LETTERS if name in statement.binds]
    if named and statement.kind in ("loop", "assign"):
        return _LETTERS[named[0]][0]
    return statement.kind


def meaning_of_names(statement: Statement, names: Mapping[str, Any]) -> str:
    """Say what the names just set stand for."""
    if len(statement.binds) == 1 and statement.binds[0] in _LETTERS:
        (name,) = statement.binds
        blocks = name == "p" and any(isinstance(value, BSR) for value in names.values())
        words = _BLOCK if blocks else _LETTERS[name][1]
        return f"{name} = {words.replace('{}', value_text(names.get(name)))}"
    return ", ".join(f"{name} = {value_text(names.get(name))}" for name in statement.binds)


def value_text(value: Any) -> str:
    """Return a number, an array's type, or the beginning of what else it is."""
    if is_number(value) or isinstance(value, np.ndarray):
        return number_text(value)
    return shorten(clean(repr(value)), 60)


def evaluate(expression: ast.expr, names: Mapping[str, Any], known: dict[str, Any]) -> Any:
    """Return the value of a part of a statement, read once more; kernels have no side effects."""
    code = compile(ast.fix_missing_locations(ast.Expression(expression)), "<moment>", "eval")
    return eval(code, known, dict(names))


def spell(expression: ast.expr, names: Mapping[str, Any]) -> str:
    """Return the source of an expression, indices as numbers: ``b[k, n]`` as ``b[17, 0]``."""
    return ast.unparse(_Indices(names).visit(ast.parse(ast.unparse(expression), mode="eval")))


class _Indices(ast.NodeTransformer):
    """Replaces what stands inside of brackets by its value, where that is a whole number."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Replace each index; what is indexed stays as it is written."""
        if isinstance(node.slice, ast.Tuple):
            node.slice.elts = [new for index in node.slice.elts for new in self._numbers(index)]
        else:
            (node.slice,) = self._numbers(node.slice)
        return node

    def _numbers(self, index: ast.expr) -> list[ast.expr]:
        """Return an index as a number, ``*place`` as several; as it is where it is not known."""
        inner = index.value if isinstance(index, ast.Starred) else index
        parts = list(ast.walk(inner))
        known = all(part.id in self.names for part in parts if isinstance(part, ast.Name))
        if not known or any(isinstance(part, ast.Call | ast.Slice) for part in parts):
            return [index]
        value = evaluate(inner, self.names, {})
        several = value if isinstance(index, ast.Starred) else (value,)
        if not all(isinstance(number, int | np.integer) for number in several):
            return [index]
        return [ast.Constant(int(number)) for number in several]
