"""Recognize functions that exporters spell out in small ops.

Before    p = div(x, 1.4142135)              After    y = gelu(x)
          q = erf(p)
          r = add(q, 1)
          y = multiply(multiply(x, r), 0.5)

Why       A kernel of the function's own passes over x once, in pieces, and a product before it can
          finish its tiles with it (``fuse_epilogue``); the small ops pass over memory five times.
When      The nodes are relu, sigmoid, silu, hard_swish, gelu (by erf or by tanh), layer or RMS
          normalization, softmax or log_softmax with the maximum taken off; in whatever order
          factors and addends are written. Their constants are the function's, but for what the
          dtype rounds, values between are read nowhere else, and shape and dtype of the result
          are the same.
Keeps     Every result within rounding. What changes is where it is rounded: in narrow dtypes once,
          where the small ops round each time; and a gelu of large negative x keeps the digits
          of its tail, which ``1 + erf`` loses. ``max(x, 0)`` is kept bit for bit.
"""

from minisparse.cost import Target
from minisparse.graph import Graph, Node
from minisparse.passes.rewrite import Pass
from minisparse.passes.spelled import activations, normalizations
from minisparse.passes.spelled.terms import Terms
from minisparse.passes.sweep import Sweep


def run(graph: Graph, target: Target) -> Graph:
    """Replace what computes a known function in small ops by the function."""
    sweep = Sweep(graph)
    terms = Terms(sweep)
    for given in graph.nodes:
        node = sweep.seen(given)
        found = _recognized(terms, node)
        if found is None:
            sweep.keep(node)
        else:
            sweep.put(node, (found,))
    return sweep.result()


def _recognized(terms: Terms, node: Node) -> Node | None:
    """Return the function that a node is the end of."""
    for look in (*activations.KINDS, *normalizations.KINDS):
        found = look(terms, node)
        if found is not None:
            return found
    return None


RECOGNIZE_FUNCTIONS = Pass(
    "recognize_functions", run, before=("fold_batchnorm", "lower_matmul", "fuse_epilogue")
)
