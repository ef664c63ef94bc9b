"""Rewrite a thread program for the simulator, so that a thread can stop where it waits for others.

A call that waits, such as ``jit.syncthreads()``, becomes a ``yield``: the thread is then a
generator, and the simulator resumes it once the others have arrived. All else stays, also the name
of the file and the numbers of the lines, so that pdb and tracebacks show the program as it was
written.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from types import FunctionType
from typing import Any

WAITS = ("syncthreads", "syncwarp", "shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync")
"""Calls in which a thread waits for others."""


def parsed(function: FunctionType) -> ast.FunctionDef:
    """Return the syntax tree of a function without types, with the lines it has in its file."""
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    (found,) = tree.body
    assert isinstance(found, ast.FunctionDef)
    found.decorator_list, found.returns = [], None
    for argument in found.args.args:
        argument.annotation = None
    return found


def names_of(function: FunctionType) -> dict[str, Any]:
    """Return what a function's free names stand for: of its module, and of what surrounds it."""
    found = inspect.getclosurevars(function)
    return {**found.globals, **found.nonlocals}


def called(node: ast.Call, module: str = "jit") -> str:
    """Return the name of what is called of a module, or nothing."""
    f = node.func
    if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == module:
        return f.attr
    return ""


def waits(tree: ast.AST, waiting: Mapping[str, bool]) -> bool:
    """Tell whether a program waits for other threads, itself or in a function that it calls.

    Parameters
    ----------
    tree : ast.AST
        Of the program.
    waiting : mapping of str to bool
        Whether the functions that it calls do, by name.
    """
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(
        called(c) in WAITS or (isinstance(c.func, ast.Name) and waiting.get(c.func.id, False))
        for c in calls
    )


class Resumable(ast.NodeTransformer):
    """Turn calls that wait into yields, and calls of functions that wait into ``yield from``.

    Parameters
    ----------
    waiting : mapping of str to bool
        As for :func:`waits`.
    """

    def __init__(self, waiting: Mapping[str, bool]) -> None:
        self._waiting = waiting

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite one call, those in its arguments first."""
        self.generic_visit(node)
        name = called(node)
        if name in WAITS:
            request = ast.Call(
                ast.Attribute(ast.Name("jit", ast.Load()), "wait", ast.Load()),
                [ast.Constant(name), ast.Constant(node.lineno), *node.args],
                node.keywords,
            )
            return ast.copy_location(ast.Yield(request), node)
        if name == "shared_memory":  # the same call gives all threads of a block the same array
            place = ast.Constant(f"{node.lineno}:{node.col_offset}")
            node.keywords.append(ast.keyword("place", place))
        elif isinstance(node.func, ast.Name) and self._waiting.get(node.func.id, False):
            return ast.copy_location(ast.YieldFrom(node), node)
        return node


def compiled(tree: ast.FunctionDef, file: str, names: dict[str, Any]) -> Any:
    """Return the function that a tree defines, its free names being ``names``."""
    module = ast.fix_missing_locations(ast.Module([tree], []))
    exec(compile(module, file, "exec", dont_inherit=True), names)
    return names[tree.name]
