"""What makes a graph well formed; every pass's result goes through here.

G1  every name is defined once: input, constant or node output
G2  every name is read after it is defined: no cycle, nothing dangling
G3  node names are unique
G4  there is an output, and every output exists
G5  operand types satisfy the op's constraints, and attributes are known
"""

from typing import TYPE_CHECKING

from minisparse.core.errors import GraphError

if TYPE_CHECKING:
    from minisparse.graph.graph import Graph


def verify(graph: "Graph") -> None:
    """Raise GraphError naming the first broken rule, or the op's own error for G5."""
    _names_defined_once(graph)
    _read_after_definition(graph)
    _node_names_unique(graph)
    _ = graph.types  # G5: inference checks every constraint on the way


def _names_defined_once(graph: "Graph") -> None:
    defined: set[str] = set()
    outputs = [name for node in graph.nodes for name in node.outputs]
    for name in (*graph.inputs, *graph.constants, *outputs):
        if name in defined:
            raise GraphError(f"graph '{graph.name}' (G1): '{name}' is defined twice")
        defined.add(name)


def _read_after_definition(graph: "Graph") -> None:
    ready = {*graph.inputs, *graph.constants}
    later = {output: node.name for node in graph.nodes for output in node.outputs}
    for node in graph.nodes:
        for name in node.inputs:
            if name in ready:
                continue
            why = (
                f"which node '{later[name]}' defines only later: a cycle, or nodes out of order"
                if name in later
                else "which nothing defines"
            )
            raise GraphError(f"graph '{graph.name}' (G2): node '{node.name}' reads '{name}', {why}")
        ready.update(node.outputs)
    if not graph.outputs:
        raise GraphError(f"graph '{graph.name}' (G4): it has no output, so it computes nothing")
    for shown, name in graph.outputs.items():
        if name not in ready:
            raise GraphError(
                f"graph '{graph.name}' (G4): output '{shown}' is '{name}', which nothing defines"
            )


def _node_names_unique(graph: "Graph") -> None:
    seen: set[str] = set()
    for node in graph.nodes:
        if node.name in seen:
            raise GraphError(f"graph '{graph.name}' (G3): two nodes are named '{node.name}'")
        seen.add(node.name)
