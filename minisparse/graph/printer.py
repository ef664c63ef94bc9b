"""A graph as text, one line a node, and as a card for notebooks."""

from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.graph.graph import Graph
from minisparse.graph.node import Node


def call_text(node: Node) -> str:
    """Return a node as a call: ``gemm(x, w, transB=1)``; attributes at their default are left out.

    Parameters
    ----------
    node : Node
        The node to spell.
    """
    given = [f"{k}={v}" for k, v in node.attrs.items() if v != node.op.attrs.get(k)]
    wishes = [f"{node.inputs[i]} as {layout}" for i, layout in node.wants.items()]
    wanted = f"  # wants {', '.join(wishes)}" if wishes else ""
    return f"{node.op.name}({', '.join([*node.inputs, *given])}){wanted}"


def to_text(graph: Graph) -> str:
    """Return the graph as lines of aligned columns: name, call, type."""
    inputs = ", ".join(f"{name}: {type}" for name, type in graph.inputs.items())
    rows = [(f"const {name}", _constant_text(graph, name), "") for name in graph.constants]
    rows += [
        (", ".join(node.outputs), f"= {call_text(node)}", _types(graph, node))
        for node in graph.nodes
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = [f"graph {graph.name}({inputs}) -> {', '.join(graph.outputs)}"]
    for name, call, type in rows:
        lines.append(f"  {name:{widths[0]}}  {call:{widths[1]}}  {type}".rstrip())
    lines.append("  return " + ", ".join(f"{k} = {v}" for k, v in graph.outputs.items()))
    return "\n".join(lines)


def _types(graph: Graph, node: Node) -> str:
    return ", ".join(str(graph.types[output]) for output in node.outputs)


def _constant_text(graph: Graph, name: str) -> str:
    type: TensorType = graph.types[name]
    pattern = graph.patterns.get(name)
    return f"{type}" if pattern is None else f"{type}  {pattern.describe()}"


def to_html(graph: Graph) -> str:
    """Return the graph's card: a table of nodes, and one of weights."""
    from minisparse.show import card, table

    nodes = [(n.name, call_text(n), _types(graph, n)) for n in graph.nodes]
    weights = [
        (
            name,
            str(graph.types[name]),
            graph.patterns[name].describe() if name in graph.patterns else "",
            f"{constant.nbytes / 1000:.1f} kB",
        )
        for name, constant in graph.constants.items()
        if isinstance(constant, Matrix) or constant.ndim > 1
    ]
    return card(
        f"Graph {graph.name}",
        table(("node", "computes", "result"), nodes),
        table(("weight", "type", "pattern", "stored"), weights),
    )
