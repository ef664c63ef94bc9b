"""Where the values of a plan for a device lie: on it, but for numbers that the host has to know.

A run computes on the device, and the host only launches. Some numbers it needs itself: the shape
that ``reshape`` asks for, the condition of a branch (:attr:`~minisparse.ops.Op.told`). So what is
made of sizes alone, and what is computed of such numbers, is computed in main memory, as every
compiler for accelerators keeps shapes on the host; it is a few bytes. What then crosses the bus is
known before the run: constants once, when the plan is made; during a run a number that the host
computed and the device needs is sent, and one that the device computed and the host needs is
fetched, which waits for all that was launched before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from minisparse.core.xp import to_device
from minisparse.formats import Matrix
from minisparse.graph import Constant, Graph, Node
from minisparse.ops.control import IF_ELSE, LOOP


@dataclass(frozen=True)
class Placement:
    """Where the values of a graph lie that is run on a device.

    Attributes
    ----------
    host : frozenset of str
        Values that lie in main memory: computed there, or constants, which lie there besides.
    nodes : frozenset of str
        Names of nodes that are computed in main memory.
    """

    host: frozenset[str]
    nodes: frozenset[str]

    def moved(self, node: Node, constants: Mapping[str, object]) -> tuple[tuple[int, str], ...]:
        """Return which operands of a node cross the bus in each run, and where to.

        Parameters
        ----------
        node : Node
            A node of the graph.
        constants : mapping
            The graph's constants: they lie on both sides.

        Returns
        -------
        tuple of (int, str)
            Places among the operands, each with ``"cpu"`` or ``"gpu"``.
        """
        if node.op.of_sizes:  # which are known on either side
            return ()
        found = []
        for i, name in enumerate(node.inputs):
            wanted = "cpu" if node.name in self.nodes or i in node.op.base.told else "gpu"
            if name not in constants and (name in self.host) != (wanted == "cpu"):
                found.append((i, wanted))
        return tuple(found)


def place(graph: Graph) -> Placement:
    """Return where the values of a graph lie: as far as possible on the device."""
    host, nodes = set(graph.constants), set()
    computed: set[str] = set()
    for node in graph.nodes:
        others = [name for i, name in enumerate(node.inputs) if i not in node.op.base.told]
        of_numbers = all(name in host for name in others)
        made_there = not others or any(name in computed for name in others)
        flows = node.op in (IF_ELSE, LOOP) or node.op.base.weight is not None
        if node.op.of_sizes or (of_numbers and made_there and not flows):
            nodes.add(node.name)
            host.update(node.outputs)
            computed.update(node.outputs)
    return Placement(frozenset(host), frozenset(nodes))


def moved(x: Constant, device: str) -> Constant:
    """Return a constant or another value on a device, or in main memory; itself if it is there."""
    if isinstance(x, Matrix):
        return x.to_device(device)
    found: Constant = to_device(x, device, f"target '{device}'")
    return found
