"""What a rule is, and through what it looks at a node."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType
from minisparse.graph import Graph, Node
from minisparse.passes.shrinking.channels import Facts, Partial, unknown
from minisparse.passes.shrinking.cut import Cut
from minisparse.passes.shrinking.dependencies import Dependencies


@dataclass(frozen=True)
class Place:
    """A node in its graph, with what is known of its operands."""

    graph: Graph
    node: Node
    facts: Facts

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of the operands."""
        return self.graph.operand_types(self.node)

    @property
    def results(self) -> tuple[TensorType, ...]:
        """The types of the results."""
        return tuple(self.graph.types[name] for name in self.node.outputs)

    @property
    def partials(self) -> tuple[Partial, ...]:
        """What is known of the operands."""
        return tuple(self.facts[name] for name in self.node.inputs)

    def is_weight(self, i: int) -> bool:
        """Tell whether operand i is a constant of the graph."""
        return i < len(self.node.inputs) and self.node.inputs[i] in self.graph.constants

    def numbers(self, i: int) -> tuple[int, ...] | None:
        """Return the elements of a small operand of whole numbers; None unless all are known."""
        known = self.types[i].known if i < len(self.types) else ()
        if known is None or not all(isinstance(x, int | np.integer) for x in known):
            return None
        return tuple(int(x) for x in known)

    @property
    def called(self) -> str:
        """The node as reasons name it: ``conv 'layer1'``."""
        return f"{self.node.op.name} '{self.node.name}'"


@dataclass
class Ends:
    """The axes of a node's operands and results; those that no one asks for are kept.

    So a rule that forgets an axis is safe: it has that axis stay as it is.
    """

    place: Place
    dependencies: Dependencies
    _seen: set[tuple[bool, int, int]] = field(default_factory=set)

    def into(self, i: int, axis: int) -> Array | None:
        """Return the atoms of an axis of operand i; the rule answers for them from now on."""
        return self._asked(False, i, axis)

    def out(self, axis: int, k: int = 0) -> Array | None:
        """Return the atoms of an axis of result k; the rule answers for them from now on."""
        return self._asked(True, k, axis)

    def tie(self, a: Array | None, b: Array | None, why: str = "") -> None:
        """Let two axes shrink together; if one of them has only a name, the other one stays."""
        if a is None or b is None or len(a) != len(b):
            why = why or f"{self.place.called} meets a size there that only the run tells"
            self.dependencies.keep(a, why)
            self.dependencies.keep(b, why)
        else:
            self.dependencies.tie(a, b)

    def keep(self, ids: Array | None, why: str) -> None:
        """Let an axis stay as it is."""
        self.dependencies.keep(ids, f"{self.place.called} {why}")

    def tie_same(self, i: int, axes: Sequence[int]) -> None:
        """Tie axes of operand i to the same axes of the result."""
        for axis in axes:
            self.tie(self.into(i, axis), self.out(axis))

    def tie_broadcast(self, i: int, k: int = 0) -> None:
        """Tie all axes of operand i to those of result k that they broadcast to."""
        place = self.place
        given, result = place.types[i].shape, place.results[k].shape
        for axis in range(-len(given), 0):
            ids, outs = self.into(i, axis), self.out(axis, k)
            if given[axis] == 1 != result[axis]:
                self.dependencies.keep(ids, f"{place.called} repeats it along an axis")
            else:
                self.tie(ids, outs)

    def finish(self) -> None:
        """Keep every axis that nobody asked for."""
        why = f"{self.place.called} needs that axis as it is"
        for of_result, values in ((False, self.place.node.inputs), (True, self.place.node.outputs)):
            for i, value in enumerate(values):
                for axis in range(self.place.graph.types[value].ndim):
                    if (of_result, i, axis) not in self._seen:
                        self.dependencies.keep(self.dependencies.atoms.of(value, axis), why)

    def _asked(self, of_result: bool, i: int, axis: int) -> Array | None:
        node = self.place.node
        value = (node.outputs if of_result else node.inputs)[i]
        self._seen.add((of_result, i, axis % self.place.graph.types[value].ndim))
        return self.dependencies.atoms.of(value, axis)


def nothing_known(place: Place) -> tuple[Partial, ...]:
    """Return that nothing is known of the results."""
    return tuple(unknown(type.ndim) for type in place.results)


def unchanged(node: Node, cut: Cut) -> Sequence[Node]:
    """Return the node as it is: it asks nothing but smaller operands."""
    return (node,)


@dataclass(frozen=True)
class Rule:
    """What shrinking has to know of some ops.

    Attributes
    ----------
    ops : tuple of str
        Their names.
    ties : callable
        Says through :class:`Ends` which axes shrink together, and where sums end them.
    facts : callable
        What is known of the results if so much is known of the operands.
    shrunk : callable
        The node, or the nodes, for smaller operands, which have kept their names.
    """

    ops: tuple[str, ...]
    ties: Callable[[Ends], None]
    facts: Callable[[Place], tuple[Partial, ...]] = nothing_known
    shrunk: Callable[[Node, Cut], Sequence[Node]] = unchanged
