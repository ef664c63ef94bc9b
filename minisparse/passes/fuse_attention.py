"""Fuse scores, softmax and weighted sum of attention: the scores are never there as a whole.

Before    s = sddmm(mask, q, transpose(k))   After    c = attention(mask, q, k, v, scale=1)
          w = softmax(s)
          c = spmm(w, v)

Before    s = matmul(q, k)                   After    c = chain(q, k, root, m, v): the same ops,
          d = div(s, root)                            a head or some rows of one at a time
          z = add(d, m)
          c = matmul(softmax(z), v)

Why       Scores and weights have an entry for every pair of a query and a key that meet, which for
          long sequences is far more than q, k and v. They are used where they are made, one block
          of rows after another (Dao et al., "FlashAttention", NeurIPS 2022; rows are whole, so that
          the online softmax of Milakov and Gimelshein, arXiv:1805.02867, 2018, is not needed). A
          sparse mask is packed once besides, not at every run.
When      Each value between is read once. Of the sparse form: one pattern, a mask that does not
          change the dtype of what it meets, softmax along rows; q may be scaled by a number before.
          Of the dense form: softmax along the last axis, between it and the products only ops that
          work on each score by itself, and scores larger than what stays near anyway.
Keeps     Every result within rounding: products are summed in another order, and a scale is
          multiplied in at another place. A row of the sparse form without entries stays 0.
"""

from minisparse.core.dtypes import accumulator
from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.kernels.chain.cuts import is_pointwise
from minisparse.ops import ATTENTION, TRANSPOSE
from minisparse.passes.chains import Readers, pays, rewritten
from minisparse.passes.numbers import number_of
from minisparse.passes.rewrite import Pass
from minisparse.passes.sweep import Sweep


def run(graph: Graph, target: Target) -> Graph:
    """Make one node of every attention, sparse or dense."""
    return _dense(_sparse(graph), target)


def _sparse(graph: Graph) -> Graph:
    """Make one node of every sddmm, softmax and spmm over one mask."""
    if not any(node.op.name == "sddmm" for node in graph.nodes):
        return graph
    sweep = Sweep(graph)
    for given in graph.nodes:
        node = sweep.seen(given)
        scores = _scores(sweep, node)
        if scores is None:
            sweep.keep(node)
        else:
            sweep.put(node, _attention(sweep, scores, node))
    return sweep.result()


def _scores(sweep: Sweep, node: Node) -> Node | None:
    """Return the sddmm whose softmax a node multiplies with the values."""
    if node.op.name != "spmm" or not sweep.is_read_once(node.inputs[0]):
        return None
    weights = sweep.producer(node.inputs[0])
    if weights is None or weights.op.name != "softmax" or weights.attrs["axis"] not in (1, -1):
        return None
    scores = sweep.producer(weights.inputs[0])
    if scores is None or scores.op.name != "sddmm" or not sweep.is_read_once(scores.output):
        return None
    mask, q, k = (sweep.types[name] for name in scores.inputs)
    v, c = sweep.types[node.inputs[1]], sweep.types[node.output]
    kinds = {t.dtype for t in (mask, q, k, v, c, sweep.types[scores.output])}
    # in narrow dtypes the op rounds once where the three would round three times
    alike = len(kinds) == 1 and c.dtype.kind == "f" and accumulator(c.dtype) == c.dtype
    return scores if alike and mask.format != "dense" else None


def _attention(sweep: Sweep, scores: Node, node: Node) -> list[Node]:
    """Return the node that does all, after one that turns the keys if they are not turned."""
    mask, q, k = scores.inputs
    q, scale = _without_scale(sweep, q)
    nodes = []
    turn = sweep.producer(k)
    if turn is not None and turn.op is TRANSPOSE and turn.attrs["perm"] in (None, (1, 0)):
        k = turn.inputs[0]
    else:
        turned = sweep.free(f"{node.name}:keys")
        nodes.append(Node(turned, TRANSPOSE, (k,), (turned,), {"perm": (1, 0)}))
        k = turned
    attrs = {"scale": scale}
    inputs = (mask, q, k, node.inputs[1])
    return [*nodes, Node(node.name, ATTENTION, inputs, node.outputs, attrs)]


def _without_scale(sweep: Sweep, q: str) -> tuple[str, float]:
    """Return queries as they are before they are scaled by a number, and that number."""
    scaled = sweep.producer(q)
    if scaled is None or not sweep.is_read_once(q) or scaled.op.name not in ("multiply", "div"):
        return q, 1.0
    first, second = scaled.inputs
    pairs = [(first, second)] + ([(second, first)] if scaled.op.name == "multiply" else [])
    for value, factor in pairs:
        number = number_of(sweep.constants.get(factor))
        if number and sweep.types[value] == sweep.types[q]:
            return value, number if scaled.op.name == "multiply" else 1 / number
    return q, 1.0


def _dense(graph: Graph, target: Target) -> Graph:
    """Make a chain of every product of softmax of something of a product, where it pays."""
    if "loops" in target.levels:  # there every op is to be seen
        return graph
    readers, sized, chains = Readers(graph), None, []
    for root in graph.nodes:
        members = _members(graph, readers, root)
        if members is None:
            continue
        sized = sized or target.bind(graph)
        between = [target.size(sized.types[node.output]) for node in members[:-1]]
        if pays(between, target):
            chains.append(members)
    return rewritten(graph, chains)


def _members(graph: Graph, readers: Readers, root: Node) -> tuple[Node, ...] | None:
    """Return the nodes of an attention that ends with a product; None if it is none."""
    if root.op.name != "matmul" or graph.types[root.inputs[0]].ndim < 2:
        return None
    shape = graph.types[root.inputs[0]].shape

    def joins(member: Node, i: int, node: Node) -> bool:
        if graph.types[node.output].shape != shape or (member.op.name == "matmul" and i):
            return False  # the values are not made here
        if member.op.name == "matmul" and member is not root:
            return False  # nor are queries and keys
        return _works_on_scores(graph, node)

    members = readers.grown(root, joins)
    names = [node.op.name for node in members]
    return members if names.count("matmul") == 2 and "softmax" in names else None


def _works_on_scores(graph: Graph, node: Node) -> bool:
    """Tell whether a node makes scores, or of each row of scores another."""
    ndim = graph.types[node.output].ndim
    if node.op.name == "softmax":
        return node.attrs["axis"] in (-1, ndim - 1)
    if node.op.name == "matmul":
        return min(graph.types[name].ndim for name in node.inputs) > 1
    return is_pointwise(node.op)


FUSE_ATTENTION = Pass("fuse_attention", run, after=("fold_constants", "fuse_epilogue"))
