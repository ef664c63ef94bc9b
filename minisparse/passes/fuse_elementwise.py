"""Fuse ops that work on each element by itself into one chain, computed piece by piece.

Before    p = div(x, c)                      After    y = chain(x, c, one, half): the same five
          q = erf(p)                                  ops on some ten thousand elements, then
          r = add(q, one)                             on the next
          s = multiply(x, r)
          y = multiply(s, half)

Why       p, q, r and s are neither written to memory nor read back: a piece of each stays in a
          core's own cache. One pass over memory instead of five.
When      Every value between has the result's shape and is read within the chain alone, and what
          lies between is predicted to take longer to move than the calls on pieces take: values of
          about twice a core's second-level cache. Ops that a product before them can finish are
          left to it (``fuse_epilogue``).
Keeps     Every result bit for bit: the same operations on the same elements.
"""

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.kernels.chain.cuts import is_pointwise
from minisparse.passes.chains import Readers, pays, rewritten
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Make one node of elementwise ops that lead to one result, where it is predicted to pay."""
    if "loops" in target.levels:  # there every op is to be seen
        return graph
    sized, readers = target.bind(graph), Readers(graph)

    def joins(member: Node, i: int, node: Node) -> bool:
        same = graph.types[node.output].shape == graph.types[member.output].shape
        return same and is_pointwise(node.op)

    chains: list[tuple[Node, ...]] = []
    taken: set[str] = set()
    for root in reversed(graph.nodes):
        if root.name in taken or not is_pointwise(root.op) or len(root.outputs) > 1:
            continue
        members = readers.grown(root, joins, taken)
        plain = all(t.format == "dense" for n in members for t in graph.operand_types(n))
        between = [target.size(sized.types[node.output]) for node in members[:-1]]
        if plain and between and pays(between, target):
            chains.append(members)
            taken.update(node.name for node in members)
    return rewritten(graph, chains)


FUSE_ELEMENTWISE = Pass(
    "fuse_elementwise", run, after=("fuse_epilogue", "fuse_attention", "tile", "cancel_reshapes")
)
