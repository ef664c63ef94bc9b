"""Small questions about Python syntax trees: what a statement sets, and what it adds up."""

import ast
from typing import Any


class Replace(ast.NodeTransformer):
    """Puts one expression in another's place."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        """Return the node, or what stands in its place."""
        return ast.copy_location(self.new, node) if node is self.old else super().visit(node)


def copied(expression: ast.expr) -> ast.expr:
    """Return the same expression as another tree, on the same line."""
    tree = ast.parse(ast.unparse(expression), mode="eval").body
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            ast.copy_location(node, expression)
    return tree


def is_docstring(statement: ast.stmt) -> bool:
    """Tell whether a statement is only a text."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def stored_names(target: ast.AST) -> tuple[str, ...]:
    """Return the plain names that an assignment to ``target`` sets."""
    found = (n for n in ast.walk(target) if isinstance(n, ast.Name))
    return tuple(n.id for n in found if isinstance(n.ctx, ast.Store))


def names_set(statement: ast.stmt) -> tuple[str, ...]:
    """Return the plain names that a simple statement sets; of a loop none outlives it."""
    if isinstance(statement, ast.Assign):
        return tuple(name for target in statement.targets for name in stored_names(target))
    if isinstance(statement, ast.AugAssign | ast.AnnAssign):
        return stored_names(statement.target)
    return ()


def assigned(statement: ast.stmt) -> ast.expr | None:
    """Return a copy of what a statement assigns or adds to, if that is one thing."""
    if isinstance(statement, ast.AugAssign):
        return copied(statement.target)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return copied(statement.targets[0])
    return None


def kind_of(statement: ast.stmt) -> str:
    """Return the kind of a simple statement, as ``Statement.kind`` has it."""
    if isinstance(statement, ast.AugAssign):
        return "accumulate" if isinstance(statement.op, ast.Add | ast.Sub) else "store"
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return "line"
    return "assign" if names_set(statement) else "store"


def together(scope: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return both, each name once."""
    return tuple(dict.fromkeys((*scope, *names)))


def added_product(statement: ast.stmt) -> ast.BinOp | None:
    """Return the product that a statement adds to its target, or None.

    ``t += x * y`` and ``t = t + x * y`` are recognized, also where a conversion is around:
    ``t += f(x * y)``.
    """
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        return _product(statement.value)
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    value, target = statement.value, ast.unparse(statement.targets[0])
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add):
        return None
    return _product(value.right) if ast.unparse(value.left) == target else None


def _product(value: ast.expr) -> ast.BinOp | None:
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        return value
    if isinstance(value, ast.Call) and len(value.args) == 1 and not value.keywords:
        return _product(value.args[0])
    return None
