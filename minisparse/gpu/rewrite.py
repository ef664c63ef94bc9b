"""Rewrite a thread program for the simulator, so that a thread can stop where it waits for others.

A call that waits, such as ``jit.syncthreads()``, becomes a ``yield``: the thread is then a
generator, and the simulator resumes it once the others have arrived. All else stays, also the name
of the file and the numbers of the lines, so that pdb and tracebacks show the program as it was
written.
"""

import ast
import inspect
import textwrap
from collections.abc import Collection, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any

from minisparse.gpu.simulation.sites import Site

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
    function : FunctionType
        What is rewritten.
    waiting : collection of str
        Names of the functions that it calls and that wait.

    Attributes
    ----------
    sites : dict of str to Site
        The places of which the simulator is told, by the names that stand for them.
    """

    def __init__(self, function: FunctionType, waiting: Collection[str]) -> None:
        self._function, self._waiting = function, waiting
        self.sites: dict[str, Site] = {}
        self._loops: tuple[Site, ...] = ()
        self._named = ""

    def site(self, node: ast.stmt | ast.expr) -> ast.Name:
        """Return a name that stands for the place of a node."""
        code = self._function.__code__
        name = f"site {len(self.sites)}"  # no program can have a name with a space
        where = (node.lineno, node.col_offset)
        self.sites[name] = Site(code.co_name, code.co_filename, *where, self._loops)
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Remember the name that is assigned to, by which a shared array is called."""
        (target, *_) = node.targets
        self._named = target.id if isinstance(target, ast.Name) else ""
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite one call, those in its arguments first."""
        self.generic_visit(node)
        name = called(node)
        if name in WAITS:
            given = [ast.Constant(name), self.site(node), *node.args]
            request = ask("wait", node, *given, keywords=node.keywords)
            return ast.copy_location(ast.Yield(request), node)
        if name == "shared_memory":  # the same call gives all threads of a block the same array
            node.keywords.append(ast.keyword("site", self.site(node)))
            node.keywords.append(ast.keyword("name", ast.Constant(self._named)))
        elif isinstance(node.func, ast.Name) and node.func.id in self._waiting:
            return ast.copy_location(ast.YieldFrom(node), node)
        return node


def ask(
    name: str,
    where: ast.stmt | ast.expr,
    *given: ast.expr,
    keywords: Sequence[ast.keyword] = (),
) -> ast.Call:
    """Return the call ``jit.name(given…)``, at the line where another node begins."""
    function = ast.Attribute(ast.Name("jit", ast.Load()), name, ast.Load())
    made = ast.Call(function, list(given), list(keywords))
    made.lineno = made.end_lineno = where.lineno  # pdb would show the end of a loop or a branch
    made.col_offset = made.end_col_offset = where.col_offset
    return made


def coded(tree: ast.FunctionDef, file: str) -> CodeType:
    """Return code that defines the function of a tree."""
    module = ast.fix_missing_locations(ast.Module([tree], []))
    return compile(module, file, "exec", dont_inherit=True)
