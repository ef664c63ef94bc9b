"""Insert the conversions that fulfil what nodes want.

Before    spmm(w, x), wants w as csr         After    v = convert(w, format=csr)
          spmm(w, y), wants w as bsr                  u = convert(v, format=bsr)
                                                      spmm(v, x); spmm(u, y)

Why       No kernel converts behind the caller's back: a conversion is a step with a price.
When      A node wants an operand in a layout that it does not have. Nodes that want the same
          share one conversion. Where a value is wanted in several layouts, each is made of the
          smallest that is there by then, so that the fewest bytes are read: a minimum spanning
          tree (Prim, Bell System Technical Journal 36, 1957), grown from the value as it is. A
          format that stores padding is no start: it would hand the padding on.
Keeps     Every result within rounding: formats hold the same values.
"""

from collections.abc import Callable, Collection
from dataclasses import replace

from minisparse.core.tensor_type import DENSE, Layout
from minisparse.cost import Target, stored_attrs
from minisparse.formats import stored_bytes
from minisparse.graph import Graph, Node
from minisparse.ops import CONVERT
from minisparse.passes.rewrite import Pass

_EXACT = ("dense", "coo", "csr", "csc")
"""Formats that store nothing but what is there."""


def run(graph: Graph, target: Target) -> Graph:
    """Put a convert before each node that wants an operand in another layout."""
    wanted: dict[str, set[Layout]] = {}
    for node in graph.nodes:
        for at, layout in node.wants.items():
            wanted.setdefault(node.inputs[at], set()).add(layout)
    nodes: list[Node] = []
    made: dict[tuple[str, Layout], str] = {}
    for node in graph.nodes:
        inputs, attrs = list(node.inputs), dict(node.attrs)
        for at, layout in node.wants.items():
            source = node.inputs[at]
            if (source, layout) not in made:
                made |= _convert_all(graph, source, wanted[source], nodes)
            inputs[at] = made[source, layout]
            attrs = dict(stored_attrs(node, graph.types[source], layout))
        nodes.append(replace(node, inputs=tuple(inputs), attrs=attrs, wants={}))
    known = {v: graph.patterns[s] for (s, _), v in made.items() if s in graph.patterns}
    return replace(graph, patterns={**graph.patterns, **known}).replace_nodes(nodes)


def _convert_all(
    graph: Graph, source: str, wanted: Collection[Layout], nodes: list[Node]
) -> dict[tuple[str, Layout], str]:
    """Add what converts a value to all layouts that are wanted; return the names of the results."""
    stored, pattern = graph.types[source], graph.patterns.get(source)

    def size(layout: Layout) -> int:
        return 0 if pattern is None else stored_bytes(pattern, layout, stored.itemsize)

    names = {stored.layout: source}
    for start, layout in spanning_tree(stored.layout, wanted, size):
        if stored.ndim > 2 and layout == DENSE:
            start = stored.layout  # a matrix that was stored has lost its further axes
        nodes.append(_conversion(source, names[start], layout))
        names[layout] = nodes[-1].output
    return {(source, layout): name for layout, name in names.items()}


def spanning_tree(
    root: Layout, wanted: Collection[Layout], size: Callable[[Layout], int]
) -> list[tuple[Layout, Layout]]:
    """Return pairs (from, to) in an order in which each start has been made.

    Parameters
    ----------
    root : Layout
        What there is.
    wanted : collection of Layout
        What there has to be.
    size : callable
        From a layout to its bytes; a conversion reads those of one and writes those of the other.

    Examples
    --------
    >>> sizes = {"dense": 100, "csr": 10, "coo": 12}
    >>> tree = spanning_tree(DENSE, [Layout("coo"), Layout("csr")], lambda x: sizes[x.format])
    >>> [(str(start), str(end)) for start, end in tree]
    [('dense', 'csr'), ('csr', 'coo')]
    """
    there, left = [root], sorted(set(wanted) - {root}, key=str)
    tree = []
    while left:
        start = min((x for x in there if x == root or x.format in _EXACT), key=size)
        end = min(left, key=lambda x: (x.format not in _EXACT, size(x)))
        left.remove(end)
        there.append(end)
        tree.append((start, end))
    return tree


def _conversion(source: str, start: str, layout: Layout) -> Node:
    name = f"{source} as {layout}".replace(" ", "_")
    attrs = CONVERT.complete({"format": layout.format, "block": layout.block})
    return Node(name, CONVERT, (start,), (name,), attrs)


INSERT_CONVERSIONS = Pass("insert_conversions", run, after=("select_format", "cancel_transposes"))
