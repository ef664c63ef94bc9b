"""Two plans beside each other: where they choose otherwise, and what that costs each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from minisparse.dispatch.difference_why import why_otherwise
from minisparse.dispatch.explanation import Explanation, NodeExplanation
from minisparse.show import card, facts, folded_text, human_seconds, table, wrap


@dataclass(frozen=True)
class Difference:
    """Two explanations, node by node.

    Attributes
    ----------
    first, second : Explanation
        The two.
    nodes : tuple of tuple
        ``(name, of the first, of the second)``, in the first's order and then those that only the
        second has; None where one of them has no such node.
    """

    first: Explanation
    second: Explanation
    nodes: tuple[tuple[str, NodeExplanation | None, NodeExplanation | None], ...]

    @property
    def otherwise(self) -> tuple[str, ...]:
        """Names of the nodes that the two compute in different ways."""
        return tuple(name for name, a, b in self.nodes if _way(a) != _way(b))

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        """Why, for each of these nodes: what of its price turned, or what else decided."""
        return {name: why_otherwise(a, b) for name, a, b in self.nodes if _way(a) != _way(b)}

    def __str__(self) -> str:
        """Return a table with a row for each node."""
        lines = [wrap(f"{name}: {text}", 80, indent=2) for name, text in self._facts().items()]
        return "\n".join([*lines, "", folded_text(_HEADERS, self._rows())])

    def _repr_html_(self) -> str:
        """Return the card for a notebook."""
        marked = [i for i, (name, _, _) in enumerate(self.nodes) if name in self.otherwise]
        rows = table(_HEADERS, self._rows(), highlight=marked)
        return card("two plans", facts(self._facts()), rows)

    def _facts(self) -> dict[str, str]:
        totals = [human_seconds(e.seconds) for e in (self.first, self.second)]
        return {
            "A": f"{self.first.title}, {self.first.sizes}: predicted {totals[0]}",
            "B": f"{self.second.title}, {self.second.sizes}: predicted {totals[1]}",
            "computed otherwise": f"{len(self.otherwise)} of {len(self.nodes)} nodes",
        }

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (name, _op(a, b), *_told(a), *_told(b), self.reasons.get(name, ""))
            for name, a, b in self.nodes
        ]


_HEADERS = ("node", "op", "A", "predicted", "B", "predicted", "why not alike")


def compare_plans(first: Explanation, second: Explanation) -> Difference:
    """Return two explanations beside each other, nodes of the same name in one row."""
    a, b = ({node.name: node for node in e.nodes} for e in (first, second))
    names = dict.fromkeys((*a, *b))
    return Difference(first, second, tuple((n, a.get(n), b.get(n)) for n in names))


def _way(node: NodeExplanation | None) -> tuple[str, str] | None:
    return None if node is None else (node.op, node.chosen.name)


def _op(a: NodeExplanation | None, b: NodeExplanation | None) -> str:
    return " / ".join(dict.fromkeys(node.op for node in (a, b) if node is not None))


def _told(node: NodeExplanation | None) -> tuple[str, str]:
    """Return how a node is computed, the usual level left out, and its predicted time."""
    if node is None:
        return "-", "-"
    return node.chosen.name.removesuffix(" vectorized"), human_seconds(node.chosen.seconds)
