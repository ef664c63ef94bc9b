"""Where rules are kept: each file of ``rules/`` ends in tables from operators to functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from minisparse.core.discover import declared


@dataclass(frozen=True)
class Rule:
    """How an operator is written.

    Attributes
    ----------
    lower : callable
        ``lower(g, *args)``: from a :class:`Lowering` and the operator's own arguments to the name
        of its result, or a tuple of names. Tensors come as names of values, sizes that only the
        run tells as ``Sym``.
    takes_sparse : bool
        Whether it can do with constants that are stored sparse; else they are made plain first.
    """

    lower: Callable[..., Any]
    takes_sparse: bool = False


@dataclass(frozen=True)
class Table:
    """Rules for some operators, by the operator's full name: ``"aten.relu.default"``."""

    lowerings: Mapping[str, Callable[..., Any]]
    takes_sparse: bool = False

    @property
    def rules(self) -> dict[str, Rule]:
        """Each operator's rule."""
        return {name: Rule(lower, self.takes_sparse) for name, lower in self.lowerings.items()}


@cache
def all_rules() -> dict[str, Rule]:
    """Return every rule of the folder ``rules`` by the name of its operator."""
    from minisparse.frontends.torch import rules

    tables = declared(rules.__name__, rules.__path__, Table)
    return {name: rule for table in tables.values() for name, rule in table.rules.items()}
