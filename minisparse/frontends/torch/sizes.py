"""Sizes that only the run tells: what torch.export writes as ``s0``, as a name or as a value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minisparse.core.symbolic import UNKNOWN, Dim, add, is_unknown, multiply


@dataclass(frozen=True, eq=False)
class Sym:
    """A number that is known only at run time.

    Attributes
    ----------
    dim : int or str
        Its text (``"batch"``, ``"2*seq"``), ``"?"`` where it has none.
    make : callable
        Adds the nodes that compute it, and returns the value: one element, ``[1]``.
    """

    dim: Dim
    make: Callable[[], str]


Size = int | Sym


def dim_of(size: Any, names: Mapping[str, str]) -> Dim:
    """Return a size of torch's, an int or a ``SymInt``, as a dimension.

    Parameters
    ----------
    size : int or torch.SymInt
        As it stands in the shape of a traced tensor.
    names : mapping
        From torch's symbols, such as ``"s77"``, to names.
    """
    if isinstance(size, int):
        return size
    return _dim(size.node.expr, names)


def symbol_of(size: Any) -> str | None:
    """Return torch's symbol where a size is nothing else, None for numbers and arithmetic."""
    if isinstance(size, int) or not size.node.expr.is_Symbol:
        return None
    return str(size.node.expr)


def _dim(expr: Any, names: Mapping[str, str]) -> Dim:
    """Return a SymPy expression as a dimension; sums of products have a text."""
    if expr.is_Integer:
        return int(expr)
    if expr.is_Symbol:
        return names.get(str(expr), UNKNOWN)
    if expr.is_Pow and expr.exp.is_Integer and int(expr.exp) > 0:
        parts = [_dim(expr.base, names)] * int(expr.exp)
    elif expr.is_Add or expr.is_Mul:
        parts = [_dim(part, names) for part in expr.args]
    else:
        return UNKNOWN
    if any(is_unknown(part) for part in parts):
        return UNKNOWN
    return add(parts) if expr.is_Add else multiply(parts)
