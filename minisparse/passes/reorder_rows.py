"""Reorder the rows of a sparse weight so that rows with the same columns stand together.

Before    y = spmm(w, x)                     After    y = spmm(w[p], x)
          h = relu(add_bias(y, b))                    h = relu(add_bias(y, b[p]))
          z = spmm(v, h)                              z = spmm(v[:, p], h)

Why       Blocks appear: neurons have no order of their own, so that groups of them that see the
          same inputs lie anywhere, until someone sorts them. Rows that are neighbors then share
          what is fetched of x.
When      Sorting by similarity is predicted to make the products cheaper, together and with a
          gather that restores the order where something reads it that cannot take another: an
          output, or an op that mixes rows. The weight is a constant array; what is added along the
          rows, and the next weight, are constants too. (Sorting by length is left to the kernels,
          which do it inside at no cost to others.)
Keeps     Every result within rounding: the same products, summed in another order.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.cost import Target, candidates
from minisparse.formats import find_pattern, from_dense
from minisparse.formats.structure.reordering import by_similarity
from minisparse.graph import Graph, Node
from minisparse.kernels.chain.cuts import is_pointwise
from minisparse.ops import ADD_BIAS, OPS
from minisparse.passes.rewrite import Pass

GATHER = OPS["gather"]
WORTH = 1.05
"""Rows are not moved for what is predicted to save less than this: no prediction is so good."""
ALIKE = 0.1
"""By how much more neighbors must overlap, as a share of their entries, for prices to be asked."""


@dataclass(frozen=True)
class Side:
    """On which side of a product its weight stands.

    Attributes
    ----------
    weight : int
        Which operand it is; the other one is operand ``1 - weight``.
    out : int
        Which of its axes the result has, as the same axis; the other one is summed over.
    """

    weight: int
    out: int


SIDES = {"spmm": Side(0, 0), "dsmm": Side(1, 1)}


def run(graph: Graph, target: Target) -> Graph:
    """Sort the rows of each weight by similarity where that is predicted to pay."""
    for node in graph.nodes:
        order = _order(graph, node)
        if order is not None:
            changed = _Reordering(graph, graph.node(node.name), order)
            graph = changed.result() if changed.pays(target) else graph
    return graph


def _order(graph: Graph, node: Node) -> Array | None:
    """Return an order in which neighbors are more alike; None where there is no such need."""
    weight = _weight(graph, node)
    if weight is None or min(weight.shape) < 2 or len(set(node.inputs)) < 2:
        return None
    pattern = graph.patterns.get(node.inputs[SIDES[node.op.name].weight])
    if pattern is None or pattern.density > 0.5:
        return None
    rows = weight if SIDES[node.op.name].out == 0 else weight.T
    order = by_similarity(from_dense(np.ascontiguousarray(rows), "csr"))
    bits = np.packbits(rows != 0, axis=1)
    now, then = _overlap(bits), _overlap(bits[order])
    return order if then > now + ALIKE else None


def _weight(graph: Graph, node: Node) -> Array | None:
    """Return the constant array of a product, None if there is none."""
    if node.op.name not in SIDES:
        return None
    found = graph.constants.get(node.inputs[SIDES[node.op.name].weight])
    return found if isinstance(found, np.ndarray) else None


def _overlap(bits: Array) -> float:
    """Return which share of the entries of rows the next row has too."""
    shared = int(np.bitwise_count(bits[1:] & bits[:-1]).sum())
    return shared / max(int(np.bitwise_count(bits).sum()), 1)


@dataclass
class _Reordering:
    """A graph in which the rows that one product gives come in another order."""

    graph: Graph
    product: Node
    order: Array
    carried: dict[str, int] = field(default_factory=dict)
    """Values whose elements are in another order along an axis."""
    renamed: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each node, what it reads instead of what."""
    constants: dict[str, Array] = field(default_factory=dict)
    restored: dict[str, str] = field(default_factory=dict)
    """Values that are put in order again, and what they are called then."""

    def __post_init__(self) -> None:
        side = SIDES[self.product.op.name]
        self._permute(self.product, side.weight, side.out)
        self.carried[self.product.output] = side.out
        for node in self.graph.nodes:
            if node is not self.product and set(node.inputs) & set(self.carried):
                self._meet(node)
        for value in self.graph.outputs.values():
            if value in self.carried:
                self._restore(value)

    def pays(self, target: Target) -> bool:
        """Tell whether the products are predicted to be cheaper, gathers included."""
        changed = [
            n.name for n in self.graph.nodes if n.op.name in SIDES and n.name in self.renamed
        ]
        then = self.result()
        before = sum(_seconds(self.graph, changed, target))
        after = sum(_seconds(then, [*changed, *self.restored.values()], target))
        return after * WORTH < before

    def result(self) -> Graph:
        """Return the graph."""
        graph, nodes = self.graph, list[Node]()
        inverse = np.argsort(self.order)
        places = self._free(f"{self.product.name}:places")
        for node in graph.nodes:
            names = self.renamed.get(node.name, {})
            nodes.append(node.reading(names) if names else node)
            for value in node.outputs:
                if value in self.restored:
                    name, attrs = (
                        self.restored[value],
                        GATHER.complete({"axis": self.carried[value]}),
                    )
                    nodes.append(Node(name, GATHER, (value, places), (name,), attrs))
        outputs = {shown: self.restored.get(v, v) for shown, v in graph.outputs.items()}
        constants = {**graph.constants, **self.constants, places: inverse.astype(np.int64)}
        known = {n: find_pattern(c) for n, c in self.constants.items() if c.ndim == 2}
        patterns = {**graph.patterns, **known}
        return replace(graph, patterns=patterns).replace_nodes(nodes, constants, outputs)

    def _meet(self, node: Node) -> None:
        """Let a reader take what is in another order, or restore the order for it."""
        if node.op is ADD_BIAS and self.carried.get(node.inputs[0]) == 0:
            if self._permute(node, 1, 0):
                self.carried[node.output] = 0
                return
        elif node.op.name in SIDES:
            side = SIDES[node.op.name]
            data = node.inputs[1 - side.weight]
            summed = 1 - side.out
            if self.carried.get(data) == side.out and self._permute(node, side.weight, summed):
                return
        elif is_pointwise(node.op) and self._permute_beside(node):
            return
        for value in dict.fromkeys(node.inputs):
            if value in self.carried:
                self._restore(value)
                self.renamed.setdefault(node.name, {})[value] = self.restored[value]

    def _permute_beside(self, node: Node) -> bool:
        """Bring what meets values in another order into that order; False where that cannot be."""
        found = {
            self.carried[n] - self.graph.types[n].ndim for n in node.inputs if n in self.carried
        }
        if len(found) > 1:
            return False
        (axis,) = found
        wide = []
        for i, name in enumerate(node.inputs):
            shape = self.graph.types[name].shape
            if name not in self.carried and len(shape) >= -axis and shape[axis] != 1:
                wide.append((i, axis))
        if not all(self._can_permute(node, i) for i, _ in wide):
            return False
        for i, _ in wide:
            self._permute(node, i, axis)
        self.carried[node.output] = self.graph.types[node.output].ndim + axis
        return True

    def _can_permute(self, node: Node, i: int) -> bool:
        """Tell whether an operand is a constant array that the node reads in one place."""
        name = node.inputs[i]
        plain = isinstance(self.graph.constants.get(name), np.ndarray)
        return plain and node.inputs.count(name) == 1

    def _permute(self, node: Node, i: int, axis: int) -> bool:
        """Let a node read a constant in the other order along an axis; False where it cannot."""
        if not self._can_permute(node, i):
            return False
        name = node.inputs[i]
        before = self.constants.get(self.renamed.get(node.name, {}).get(name, ""))
        given = self.graph.constants[name] if before is None else before
        assert isinstance(given, np.ndarray)  # which _can_permute saw
        ordered = np.ascontiguousarray(np.take(given, self.order, axis))
        own = self._free(f"{name}:{node.name}")
        self.constants[own] = ordered
        self.renamed.setdefault(node.name, {})[name] = own
        return True

    def _restore(self, value: str) -> None:
        """Have a value put in order again, under another name."""
        if value not in self.restored:
            self.restored[value] = self._free(f"{value}:restored")

    def _free(self, name: str) -> str:
        """Return a name that no value and no node of the graph has."""
        taken = {*self.graph.types, *(n.name for n in self.graph.nodes), *self.constants}
        return next(n for n in _numbered(name) if n not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{i}" for i in itertools.count(2))


def _seconds(graph: Graph, names: Sequence[str], target: Target) -> Iterator[float]:
    """Yield what each of some nodes is predicted to take."""
    sized = target.bind(graph)
    for node in sized.nodes:
        if node.name in names:
            yield candidates(sized, node, target)[0].seconds


REORDER_ROWS = Pass(
    "reorder_rows",
    run,
    after=("recognize_sparsity", "cancel_transposes", "cancel_reshapes", "lower_matmul"),
    before=("select_format",),
)
