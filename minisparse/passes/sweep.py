"""A rewrite of a graph in one walk over its nodes, from the first to the last.

A pass takes the nodes in order and says of each what stands in its place. What the walk knows at a
node is what the graph will be: who defines each value by then, its type, and how often it will be
read. So a rewrite meets the results of the ones before it, and no pass has to start again.
"""

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from minisparse.core.tensor_type import TensorType
from minisparse.graph import Constant, Graph, Node
from minisparse.graph.graph import constant_type, numbered


class Sweep:
    """A graph while it is rewritten; every node of it is given to one method, in order.

    Attributes
    ----------
    graph : Graph
        As it was given.
    types : dict
        The type of every value, those that the rewrite defined included.
    constants : dict
        From names to constants; a rewrite may define more by :meth:`constant`.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.types: dict[str, TensorType] = dict(graph.types)
        self.constants: dict[str, Constant] = dict(graph.constants)
        self._placed: dict[str, Node] = {}
        self._producers: dict[str, Node] = {}
        self._same: dict[str, str] = {}
        self._outputs = set(graph.outputs.values())
        self._reads = Counter(name for node in graph.nodes for name in node.inputs)
        self._taken = {*self.types, *(node.name for node in graph.nodes)}
        self._unknown = itertools.count(sum(len(t.shape) for t in self.types.values()) + 1)

    def seen(self, node: Node) -> Node:
        """Return a node of the graph as it stands now: reading what earlier rewrites left."""
        if not any(name in self._same for name in node.inputs):
            return node
        return node.reading(self._same)

    def producer(self, value: str) -> Node | None:
        """Return the node that defines a value, None if it is an input or a constant."""
        return self._producers.get(value)

    def is_read_once(self, value: str) -> bool:
        """Tell whether one operand of one node is all that needs a value."""
        return self._reads[value] == 1 and value not in self._outputs

    def is_output(self, value: str) -> bool:
        """Tell whether the graph returns a value."""
        return value in self._outputs

    def free(self, name: str) -> str:
        """Return a name that nothing has, and take it: this one, or this one with a number."""
        numbers = (f"{name}_{i}" for i in itertools.count(2))
        found = next(n for n in itertools.chain((name,), numbers) if n not in self._taken)
        self._taken.add(found)
        return found

    def constant(self, name: str, value: Constant) -> str:
        """Add a constant and return its name, which has a number where the name was taken."""
        name = self.free(name)
        self.constants[name] = value
        self.types[name] = constant_type(value)
        return name

    def keep(self, node: Node) -> None:
        """Leave a node, which :meth:`seen` returned, as it is."""
        self._place(node)

    def put(self, node: Node, instead: Sequence[Node]) -> None:
        """Put nodes in the place of one that :meth:`seen` returned; they define what it did.

        What only it needed is dropped.
        """
        for new in instead:
            self._reads.update(new.inputs)
        for new in instead:
            self._place(new)
        self._release(node)

    def forward(self, node: Node, *values: str) -> bool:
        """Let whoever would read a node's results read other values; tell whether they can.

        They cannot where the graph returns a result and the other value is not computed for it
        alone: what a caller is given must be neither an operand nor another output.
        """
        pairs = list(zip(node.outputs, values, strict=True))
        returned = {output: value for output, value in pairs if self.is_output(output)}
        taken = [v for v in returned.values() if v in self._outputs or v not in self._producers]
        if taken or len(set(returned.values())) < len(returned):
            return False
        self._outputs = self._outputs - set(returned) | set(returned.values())
        for output, value in pairs:
            self._same[output] = value
            self._reads[value] += self._reads.pop(output, 0)
        self._release(node)
        return True

    def result(self) -> Graph:
        """Return the graph as it was rewritten."""
        outputs = {shown: self._same.get(v, v) for shown, v in self.graph.outputs.items()}
        return self.graph.replace_nodes(self._placed.values(), self.constants, outputs)

    def _place(self, node: Node) -> None:
        self._placed[node.output] = node
        self._producers.update(dict.fromkeys(node.outputs, node))
        if any(name not in self.types for name in node.outputs):
            found = node.op.infer([self.types[name] for name in node.inputs], node.attrs)
            results = [numbered(type, self._unknown) for type in found]
            self.types.update(zip(node.outputs, results, strict=True))

    def _release(self, node: Node) -> None:
        """Count a node's readings no more; drop what nothing reads then."""
        dead: list[Iterable[str]] = [node.inputs]
        while dead:
            for name in dead.pop():
                self._reads[name] -= 1
                producer = self._producers.get(name)
                if producer is not None and not any(map(self._is_needed, producer.outputs)):
                    del self._placed[producer.output]
                    for output in producer.outputs:
                        del self._producers[output]
                    dead.append(producer.inputs)

    def _is_needed(self, value: str) -> bool:
        return self._reads[value] > 0 or value in self._outputs


def settled(graph: Graph, rewrite: Callable[[Graph], Graph]) -> Graph:
    """Rewrite a graph until a rewrite leaves every node as it was.

    For a pass that may find something to do in its own result: each time must bring it nearer to an
    end, such as an op further down.
    """
    while True:
        after = rewrite(graph)
        if all(map(operator.is_, after.nodes, graph.nodes)) and len(after.nodes) == len(
            graph.nodes
        ):
            return graph
        graph = after
