"""Tile ops that need whole rows together with what works on each element: some rows at a time.

Before    p = add(x, b)                      After    y = chain(x, b, s, t): the same three ops
          q = layer_normalization(p, s, t)            on some hundred rows, then on the next
          y = gelu(q)

Why       p and q are neither written to memory nor read back: a tile of rows of each stays in a
          core's own cache.
When      Every value between has the result's shape and is read within the tile alone; a
          normalization or a softmax is among three or more ops, which needs its row, but no
          other (with two ops it was never faster); and what lies between is predicted to take
          longer to move than the calls on tiles take. Chains
          without such an op are left to ``fuse_elementwise``. Products with weights are no part of
          a tile: docs/passes_fusion.md has what tiling layers over the batch was measured to do.
Keeps     Every result within rounding: of rows that lie elsewhere in memory sums may be taken in
          another order.
"""

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.kernels.chain.cuts import can_be_cut, is_pointwise
from minisparse.passes.chains import Readers, pays, rewritten
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Make one node of ops on rows and on elements that lead to one result, where it pays."""
    if "loops" in target.levels:  # there every op is to be seen
        return graph
    sized, readers = target.bind(graph), Readers(graph)

    def joins(member: Node, i: int, node: Node) -> bool:
        same = graph.types[node.output].shape == graph.types[member.output].shape
        return same and _fits(graph, node)

    tiles: list[tuple[Node, ...]] = []
    taken: set[str] = set()
    for root in reversed(graph.nodes):
        if root.name in taken or len(root.outputs) > 1 or not _fits(graph, root):
            continue
        members = readers.grown(root, joins, taken)
        between = [target.size(sized.types[node.output]) for node in members[:-1]]
        mixed = not all(is_pointwise(node.op) for node in members)
        if mixed and len(between) > 1 and pays(between, target):
            tiles.append(members)
            taken.update(node.name for node in members)
    return rewritten(graph, tiles)


def _fits(graph: Graph, node: Node) -> bool:
    """Tell whether a node works on elements, or on rows along the last axis, of plain arrays."""
    if not can_be_cut(node.op) or node.op.sums_products:
        return False
    axis, ndim = node.attrs.get("axis"), graph.types[node.output].ndim
    rows = is_pointwise(node.op) or axis in (-1, ndim - 1)
    return rows and all(t.format == "dense" for t in graph.operand_types(node))


TILE = Pass("tile", run, after=("fuse_epilogue", "fuse_attention", "cancel_reshapes"))
