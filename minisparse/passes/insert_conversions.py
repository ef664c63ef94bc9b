"""Insert the conversions that fulfil what nodes want.

Before    spmm(w, x), wants w as csr         After    v = convert(w, format=csr)
                                                      spmm(v, x)

Why       No kernel converts behind the caller's back: a conversion is a step with a price.
When      A node wants an operand in a layout that it does not have. Nodes that want the same
          share one conversion.
Keeps     Every result within rounding: formats hold the same values.
"""

from dataclasses import replace

from minisparse.core.tensor_type import Layout
from minisparse.cost import Target, stored_attrs
from minisparse.graph import Graph, Node
from minisparse.ops import CONVERT
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Put a convert before each node that wants an operand in another layout."""
    nodes: list[Node] = []
    made: dict[tuple[str, Layout], str] = {}
    for node in graph.nodes:
        inputs, attrs = list(node.inputs), dict(node.attrs)
        for at, layout in node.wants.items():
            source = node.inputs[at]
            if (source, layout) not in made:
                nodes.append(_conversion(source, layout))
                made[source, layout] = nodes[-1].output
            inputs[at] = made[source, layout]
            attrs = dict(stored_attrs(node, graph.types[source], layout))
        nodes.append(replace(node, inputs=tuple(inputs), attrs=attrs, wants={}))
    known = {v: graph.patterns[s] for (s, _), v in made.items() if s in graph.patterns}
    return replace(graph, patterns={**graph.patterns, **known}).replace_nodes(nodes)


def _conversion(source: str, layout: Layout) -> Node:
    name = f"{source} as {layout}".replace(" ", "_")
    attrs = CONVERT.complete({"format": layout.format, "block": layout.block})
    return Node(name, CONVERT, (source,), (name,), attrs)


INSERT_CONVERSIONS = Pass("insert_conversions", run, after=("select_format", "cancel_transposes"))
