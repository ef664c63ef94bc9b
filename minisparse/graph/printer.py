"""A graph as text, one line a node, and as a card for notebooks."""

from collections.abc import Mapping, Sequence

from minisparse.core.tensor_type import TensorType
from minisparse.formats import Matrix
from minisparse.graph.graph import Graph
from minisparse.ops.body import Body
from minisparse.ops.control import IF_ELSE, LOOP, formal_types
from minisparse.ops.node import Node


def call_text(node: Node) -> str:
    """Return a node as a call: ``gemm(x, w, transB=1)``; attributes at their default are left out.

    Parameters
    ----------
    node : Node
        The node to spell.
    """
    given = [
        f"{k}={v}"
        for k, v in node.attrs.items()
        if v != node.op.attrs.get(k) and not isinstance(v, Body)
    ]
    wishes = [f"{node.inputs[i]} as {layout}" for i, layout in node.wants.items()]
    wanted = f"  # wants {', '.join(wishes)}" if wishes else ""
    return f"{node.op.name}({', '.join([*node.inputs, *given])}){wanted}"


def to_text(graph: Graph) -> str:
    """Return the graph as lines of aligned columns: name, call, type."""
    inputs = ", ".join(f"{name}: {type}" for name, type in graph.inputs.items())
    rows = [(f"const {name}", _constant_text(graph, name), "") for name in graph.constants]
    title = f"graph {graph.name}({inputs}) -> {', '.join(graph.outputs)}"
    last = "return " + ", ".join(f"{k} = {v}" for k, v in graph.outputs.items())
    return "\n".join([title, *_block(rows, graph.nodes, graph.types, "  "), f"  {last}"])


def _block(
    rows: Sequence[tuple[str, str, str]],
    nodes: Sequence[Node],
    types: Mapping[str, TensorType],
    indent: str,
) -> list[str]:
    """Return rows and then nodes in aligned columns, the bodies of a node below it."""
    rows = list(rows) + [
        (", ".join(node.outputs), f"= {call_text(node)}", _types(types, node)) for node in nodes
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = []
    for i, (name, call, type) in enumerate(rows, start=len(nodes) - len(rows)):
        lines.append(f"{indent}{name:{widths[0]}}  {call:{widths[1]}}  {type}".rstrip())
        lines += _bodies(nodes[i], types, indent + "  ") if i >= 0 else []
    return lines


def _bodies(node: Node, types: Mapping[str, TensorType], indent: str) -> list[str]:
    """Return the bodies of a node, a title line and then their nodes; of most ops nothing."""
    if node.op not in (IF_ELSE, LOOP):
        return []
    lines = []
    given = [types[name] for name in node.inputs]
    for attribute, formal in formal_types(node.op, given, node.attrs).items():
        body = node.attrs[attribute]
        lines.append(f"{indent}{attribute}({', '.join(body.inputs)})")
        lines += _block((), body.nodes, body.types(formal), indent + "  ")
        lines.append(f"{indent}  return {', '.join(body.outputs)}")
    return lines


def _types(types: Mapping[str, TensorType], node: Node) -> str:
    return ", ".join(str(types[output]) for output in node.outputs)


def _constant_text(graph: Graph, name: str) -> str:
    type: TensorType = graph.types[name]
    pattern = graph.patterns.get(name)
    return f"{type}" if pattern is None else f"{type}  {pattern.describe()}"


def to_html(graph: Graph) -> str:
    """Return the graph's card: a table of nodes, and one of weights."""
    from minisparse.show import card, table

    nodes = [(n.name, call_text(n), _types(graph.types, n)) for n in graph.nodes]
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
