"""What several passes need to make one chain of several nodes: to find which, and to write it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from minisparse.core.tensor_type import TensorType
from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.kernels.chain.program import PIECE
from minisparse.ops.body import Body
from minisparse.ops.chain import CHAIN

NEAR = 1.5
"""How many second-level caches a value may fill such that whoever reads it next finds it there.

Each of the values between is mostly written where the one before it was, so it is one of them that
has to fit. Measured on 2 cores with 2 MB each: at 1 and 2 MB a value chains are slower in pieces,
by up to a fifth, from 4 MB on they are faster, by up to a tenth.
"""

Joins = Callable[[Node, int, Node], bool]
"""Whether the node that defines operand i of a member may be a member too: of all three."""


class Readers:
    """Who defines and who reads each value of a graph.

    Attributes
    ----------
    graph : Graph
        Whose.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._reads = Counter(name for node in graph.nodes for name in node.inputs)
        self._shown = set(graph.outputs.values())
        self._producers = {name: node for node in graph.nodes for name in node.outputs}

    def grown(self, root: Node, joins: Joins, taken: Collection[str] = ()) -> tuple[Node, ...]:
        """Return a root and what leads to it alone: who reads a member but the root is one too.

        Parameters
        ----------
        root : Node
            Of one result.
        joins : callable
            Which nodes may be members.
        taken : collection of str
            Names of nodes that are members elsewhere.

        Returns
        -------
        tuple of Node
            In the order of the graph; the root is the last.
        """
        members = {root.name: root}
        waiting = [root]
        while waiting:
            member = waiting.pop()
            for i, name in enumerate(member.inputs):
                node = self._producers.get(name)
                if node is None or node.name in members or node.name in taken:
                    continue
                if self._is_read_only_in(members.values(), node) and joins(member, i, node):
                    members[node.name] = node
                    # one that was refused for a reader outside may have all its readers now
                    waiting = list(members.values())
                    break
        return tuple(node for node in self.graph.nodes if node.name in members)

    def _is_read_only_in(self, members: Iterable[Node], node: Node) -> bool:
        (name, *more) = node.outputs
        inside = sum(member.inputs.count(name) for member in members)
        return not more and name not in self._shown and inside == self._reads[name]


def chain_of(members: Sequence[Node]) -> Node:
    """Return the node that does what members do, one after another; the last has the result."""
    own = {node.output for node in members}
    inputs = tuple(dict.fromkeys(n for node in members for n in node.inputs if n not in own))
    nodes = tuple(Node(n.name, n.op, n.inputs, n.outputs, n.attrs) for n in members)
    root = members[-1]
    return Node(root.name, CHAIN, inputs, root.outputs, {"body": Body(inputs, nodes, root.outputs)})


def rewritten(graph: Graph, chains: Iterable[Sequence[Node]]) -> Graph:
    """Return a graph with each group of members made one node, where the last of them stood."""
    made = {members[-1].name: chain_of(members) for members in chains}
    gone = {n.name for members in chains for n in members} if made else set()
    if not made:
        return graph
    kept = (made.get(n.name, n) for n in graph.nodes if n.name in made or n.name not in gone)
    return graph.replace_nodes(kept)


def pays(between: Sequence[TensorType], target: Target) -> bool:
    """Tell whether it is predicted to be faster not to write what lies between nodes.

    Saved is moving it to memory and back, but for what would have stayed near; the price is that
    each piece is a call of its own.

    Parameters
    ----------
    between : sequence of TensorType
        The values between, sizes known.
    target : Target
        Whose machine counts.
    """
    machine, largest = target.machine, max((t.size * t.itemsize for t in between), default=0)
    own = next((level.size for level in machine.memory if level.name == "L2"), 0.0)
    far = len(between) * (largest - NEAR * own)
    pieces = max((-(-t.size // PIECE) for t in between), default=1)
    calls = (len(between) + 1) * pieces
    return 2 * far / machine.bandwidth_for(2 * largest) > calls * machine.call
