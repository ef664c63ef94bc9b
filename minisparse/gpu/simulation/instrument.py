"""Rewrite a thread program for a checked run: what it does to memory and to numbers is reported.

As in :mod:`minisparse.gpu.rewrite`, lines and names stay. Besides, these become calls of ``jit``,
each with its place: a statement (``step``), a turn of a loop (``turn``), reading an
element (``load``), writing one (``store``, ``update``, ``atomic``), arithmetic that may overflow
(``compute``), and what is given to a name (``keep``).
"""

import ast
from collections.abc import Collection
from types import FunctionType
from typing import Final, NoReturn, TypeGuard

from minisparse.gpu.rewrite import Resumable, ask, called
from minisparse.gpu.simulation.sites import Finding, SimulationError

OPERATORS: Final = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
}
"""Arithmetic, by how it is written."""


class Instrumented(Resumable, ast.NodeTransformer):
    """Turn accesses, arithmetic and assignments into calls, besides what waits into yields.

    Parameters
    ----------
    function, waiting
        As for :class:`Resumable`.
    device : bool
        Whether it is a device function: each combination of its parameters' dtypes is a function of
        its own on a card, and so are its variables.
    """

    def __init__(
        self,
        function: FunctionType,
        waiting: Collection[str],
        device: bool,
    ) -> None:
        super().__init__(function, waiting)
        self._parameters: list[str] = []
        self._device = device

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Rewrite the function."""
        self._parameters = [a.arg for a in node.args.args] if self._device else []
        begin = [_statement(ask("call", node.body[0]))] if self._device else []
        node.body = [*begin, *self._body(node.body)]
        return node

    def _body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [made for statement in statements for made in self._statement(statement)]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        """Return a statement with a step before it, of a loop one at the begin of each turn."""
        site = self.site(node)
        if isinstance(node, ast.For | ast.While):
            return self._loop(node, site)
        step = _statement(ask("step", node, site))
        if isinstance(node, ast.If):
            node.test = self.visit(node.test)
            node.body, node.orelse = self._body(node.body), self._body(node.orelse)
            return [step, node]
        return [step, self.visit(node)]

    def _loop(self, node: ast.For | ast.While, site: ast.Name) -> list[ast.stmt]:
        enter = _statement(ask("enter", node, site))
        given: list[ast.expr] = [site]
        if isinstance(node, ast.While):
            node.test = self.visit(node.test)
        elif isinstance(node.target, ast.Name) and _is_range(node.iter):
            bounds = [self.visit(a) for a in node.iter.args]
            node.iter = ask("span", node.iter, *bounds)
            given += [ast.Constant(node.target.id), ast.Name(node.target.id, ast.Load())]
        else:
            self._refuse(node, "a loop runs over range(…), and sets one name")
        around, self._loops = self._loops, (*self._loops, self.sites[site.id])
        node.body = [_statement(ask("turn", node, *given)), *self._body(node.body)]
        self._loops = around
        return [enter, node]

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Have an element stored, or see what a name is given."""
        (target, *more) = node.targets
        site = self.site(node)
        if isinstance(target, ast.Subscript) and not more:
            value, array, index = map(self.visit, (node.value, target.value, self._index(target)))
            return _statement(ask("store", node, site, value, array, index))
        if more or not _names_alone(target):
            self._refuse(node, "assign to one name or one element at a time")
        super().visit_Assign(node)
        if isinstance(target, ast.Name):
            node.value = self._kept(node, site, target.id, node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """Have an element changed, or see what a name is given."""
        site, target = self.site(node), node.target
        if isinstance(target, ast.Subscript):
            operator = ast.Constant(OPERATORS[type(node.op)])
            value, array, index = map(self.visit, (node.value, target.value, self._index(target)))
            return _statement(ask("update", node, site, operator, value, array, index))
        if not isinstance(target, ast.Name):
            self._refuse(node, "assign to one name or one element at a time")
        before = ast.copy_location(ast.Name(target.id, ast.Load()), target)
        made = ast.copy_location(ast.BinOp(before, node.op, node.value), node)
        kept = self._kept(node, site, target.id, self.visit(made))
        return ast.copy_location(ast.Assign([target], kept), node)

    def _kept(self, node: ast.stmt, site: ast.Name, name: str, value: ast.expr) -> ast.expr:
        types = [ast.Name(p, ast.Load()) for p in self._parameters]
        return ask("keep", node, site, ast.Constant(name), value, *types)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Refuse it, as CuPy does."""
        self._refuse(node, "CuPy translates no annotated assignment: leave the type out")

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Have an element loaded."""
        array, index = self.visit(node.value), self.visit(self._index(node))
        return ask("load", node, self.site(node), array, index)

    def _index(self, node: ast.Subscript) -> ast.expr:
        if any(isinstance(part, ast.Slice) for part in ast.walk(node.slice)):
            self._refuse(node, "CuPy translates no slices: index one element at a time")
        return node.slice

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Have it computed and looked at, where it may overflow."""
        site = self.site(node)
        self.generic_visit(node)
        if type(node.op) not in OPERATORS:
            self._refuse(node, "CuPy translates no such operator")
        operator = ast.Constant(OPERATORS[type(node.op)])
        return ask("compute", node, site, operator, node.left, node.right)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite calls that wait, and atomics."""
        name = called(node)
        made = super().visit_Call(node)
        if name.startswith("atomic_"):
            given = [self.site(node), ast.Constant(name), *node.args]
            return ask("atomic", node, *given)
        return made

    def _refuse(self, node: ast.stmt | ast.expr, why: str) -> NoReturn:
        site = self.sites[self.site(node).id]
        message = f"{site.function}: {site}: {why}"
        raise SimulationError(message, Finding("language", message, site))


def _statement(call: ast.Call) -> ast.stmt:
    return ast.copy_location(ast.Expr(call), call)


def _is_range(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range"


def _names_alone(target: ast.expr) -> bool:
    targets = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(t, ast.Name) for t in targets)
