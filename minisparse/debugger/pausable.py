"""Make a function that can be paused: the same function with a pause after each statement.

The function's syntax tree is copied and a ``yield`` is put after each statement; the statements
themselves stay as they are, in their file and on their lines. So what is paused is the very code
that ``pdb`` and tracebacks show, no thread and no trace hook is involved, and a breakpoint that
pdb sets in the file stops here too.

One thing is cut in two: where a product is added up, as in ``c[m, n] += a.data[p] * b[k, n]``,
there is a pause between the multiplication and the addition. The product is yielded and sent back,
the same object, so that the sum is the same to the last bit.
"""

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from minisparse.core.errors import UsageError
from minisparse.debugger.syntax import (
    Replace,
    added_product,
    assigned,
    copied,
    is_docstring,
    kind_of,
    names_set,
    stored_names,
    together,
)

Pauses = Generator[tuple[int, Any], Any, Any]
"""Yields a statement's number and, between multiplying and adding, the product to be sent back."""


@dataclass(frozen=True)
class Statement:
    """A place at which a pausable function stops.

    Attributes
    ----------
    line, end : int
        Its first and last line in the file; of a loop those of its head.
    kind : str
        ``"loop"`` at the beginning of each turn, ``"multiply"`` before a product is added,
        ``"accumulate"``, ``"store"`` into an array, ``"assign"`` to a name, before the way turns
        ``"return"``, ``"continue"``, ``"break"`` and ``"raise"``, else ``"line"``.
    binds : tuple of str
        Names that the statement has just set.
    scope : tuple of str
        Names that have a meaning here: set by the loops around, or earlier in their bodies.
    target, left, right : ast.expr, optional
        What is added to or stored into, and the two factors.
    """

    line: int
    end: int
    kind: str
    binds: tuple[str, ...]
    scope: tuple[str, ...]
    target: ast.expr | None = None
    left: ast.expr | None = None
    right: ast.expr | None = None

    @cached_property
    def scope_set(self) -> frozenset[str]:
        """The names in scope, for many quick questions."""
        return frozenset(self.scope)


@dataclass(frozen=True)
class Pausable:
    """A function as a generator.

    Attributes
    ----------
    function : callable
        The function itself, unchanged.
    start : callable
        Takes the function's arguments and returns a generator that pauses after each statement;
        its return value is the function's.
    statements : tuple of Statement
        Where it pauses; the generator yields positions in this tuple.
    file : str
        Where the function is written.
    first, last : int
        Lines of the function in the file.
    """

    function: Callable[..., Any]
    start: Callable[..., Pauses]
    statements: tuple[Statement, ...]
    file: str
    first: int
    last: int


def make_pausable(function: Callable[..., Any]) -> Pausable:
    """Return a function in a form that can be paused after each statement.

    Raises
    ------
    UsageError
        If it is not a plain Python function whose source can be read.
    """
    name = getattr(function, "__qualname__", repr(function))
    if not isinstance(function, types.FunctionType):
        raise UsageError(f"{name} is no plain Python function: there are no lines to step through")
    try:
        lines, first = inspect.getsourcelines(function)
    except OSError as error:
        raise UsageError(
            f"the source of {name} cannot be read: there are no lines to step through"
        ) from error
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef) or definition.name != function.__name__:
        raise UsageError(f"{name} is not written as a 'def': there are no lines to step through")
    writer = _PauseWriter()
    definition.body = writer.body(definition.body, ())
    file = inspect.getsourcefile(function) or function.__code__.co_filename
    start = _compiled(function, definition, function.__code__.co_filename)
    return Pausable(function, start, tuple(writer.statements), file, first, first + len(lines) - 1)


def _compiled(
    function: types.FunctionType, definition: ast.FunctionDef, file: str
) -> Callable[..., Pauses]:
    """Compile a changed definition into a function with the original's globals and closure."""
    definition.decorator_list = []
    free = function.__code__.co_freevars
    outer: ast.stmt = definition
    if free:  # a function around it makes these names free again
        (outer,) = ast.parse(f"def _around({', '.join(free)}): pass").body
        outer.body = [definition]  # type: ignore[attr-defined]
    module = ast.fix_missing_locations(ast.Module(body=[outer], type_ignores=[]))
    code = _code_named(compile(module, file, "exec", dont_inherit=True), definition.name)
    cells = dict(zip(free, function.__closure__ or (), strict=True))
    made = types.FunctionType(
        code,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells[name] for name in code.co_freevars),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__ = function.__qualname__
    return made


def _code_named(code: types.CodeType, name: str) -> types.CodeType:
    """Return the code of the function of that name inside ``code``."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    for found in inner:
        if found.co_name == name:
            return found
    return _code_named(inner[0], name)


class _PauseWriter:
    """Writes pauses into the bodies of a function and notes what each stands after."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def body(self, statements: list[ast.stmt], scope: tuple[str, ...]) -> list[ast.stmt]:
        """Return statements with pauses; ``scope`` names what the loops around have set."""
        written: list[ast.stmt] = []
        for statement in statements:
            written += self._written(statement, scope)
            scope = together(scope, names_set(statement))
        return written

    def _written(self, statement: ast.stmt, scope: tuple[str, ...]) -> Iterator[ast.stmt]:
        if is_docstring(statement):
            yield statement
        elif isinstance(statement, ast.For | ast.While):
            yield self._loop(statement, scope)
        elif isinstance(statement, ast.If | ast.With | ast.Try):
            yield self._branches(statement, scope)
        elif isinstance(statement, ast.Return | ast.Break | ast.Continue | ast.Raise):
            kind = type(statement).__name__.lower()
            yield self._pause(Statement(*_lines(statement), kind, (), scope), statement)
            yield statement
        else:
            yield from self._simple(statement, scope)

    def _loop(self, loop: ast.For | ast.While, scope: tuple[str, ...]) -> ast.stmt:
        """Pause at the beginning of each turn."""
        binds = stored_names(loop.target) if isinstance(loop, ast.For) else ()
        inside = together(scope, binds)
        pause = self._pause(Statement(*_lines(loop), "loop", binds, inside), loop)
        loop.body = [pause, *self.body(loop.body, inside)]
        loop.orelse = self.body(loop.orelse, scope)
        return loop

    def _branches(self, branching: ast.If | ast.With | ast.Try, scope: tuple[str, ...]) -> ast.stmt:
        """Pause inside of each branch."""
        branching.body = self.body(branching.body, scope)
        if isinstance(branching, ast.If | ast.Try):
            branching.orelse = self.body(branching.orelse, scope)
        if isinstance(branching, ast.Try):
            branching.finalbody = self.body(branching.finalbody, scope)
            for handler in branching.handlers:
                handler.body = self.body(handler.body, scope)
        return branching

    def _simple(self, statement: ast.stmt, scope: tuple[str, ...]) -> Iterator[ast.stmt]:
        """Pause after a statement and, where it adds up a product, also inside."""
        target, product, binds = assigned(statement), added_product(statement), names_set(statement)
        kind = kind_of(statement)
        if product is not None:
            kind = "accumulate"
            left, right = copied(product.left), copied(product.right)
            place = Statement(*_lines(statement), "multiply", (), scope, target, left, right)
            statement = Replace(product, self._yield(place, copied(product))).visit(statement)
        yield statement
        scope = together(scope, binds)
        yield self._pause(Statement(*_lines(statement), kind, binds, scope, target), statement)

    def _pause(self, place: Statement, where: ast.stmt) -> ast.stmt:
        expression = self._yield(place, ast.Constant(None))
        pause = ast.copy_location(ast.Expr(expression), where)
        for node in ast.walk(pause):  # a loop's own end would be the end of its body
            if isinstance(node, ast.expr | ast.stmt):
                node.lineno = node.end_lineno = where.lineno
                node.col_offset = node.end_col_offset = where.col_offset
        return pause

    def _yield(self, place: Statement, value: ast.expr) -> ast.Yield:
        self.statements.append(place)
        number = ast.Constant(len(self.statements) - 1)
        pair = ast.Tuple([number, value], ast.Load())
        return ast.Yield(pair)


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """Return a statement's first and last line; of a loop those of its head."""
    if isinstance(statement, ast.For | ast.While):
        head = statement.iter if isinstance(statement, ast.For) else statement.test
        before_body = statement.body[0].lineno - 1
        return statement.lineno, max(statement.lineno, min(before_body, _end(head) + 1))
    return statement.lineno, _end(statement)


def _end(node: ast.stmt | ast.expr) -> int:
    return node.lineno if node.end_lineno is None else node.end_lineno
