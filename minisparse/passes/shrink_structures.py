"""Remove channels, filters and heads that are dead.

Before    h = relu(conv(x, w, b))          w [8, 3, 3, 3], of which filters 1 and 4 are zero
          y = conv(h, v)                   v [6, 8, 3, 3]
After     h = relu(conv(x, w', b'))        w' [6, 3, 3, 3]
          y = conv(h, v', c)               v' [6, 6, 3, 3], c what the dead channels contributed

Why       A dense kernel is as fast as its matrix is small, and needs no format: what is gone is
          gone for every layer that reads it.
When      A channel is the same for every input, or no reader needs it, and everything that it is
          tied to goes with it: see :mod:`minisparse.passes.shrinking.dependencies`.
Keeps     Every output within rounding, if activations are finite: constants are added up in
          another order, and ``0 * inf`` is not computed where it was. Inputs and outputs.
"""

from minisparse.cost import Target
from minisparse.graph import Graph
from minisparse.passes.rewrite import Pass


def run(graph: Graph, target: Target) -> Graph:
    """Cut dead channels, filters and heads out of every layer."""
    from minisparse.passes.shrinking import shrink  # which most runs do without

    smaller, _ = shrink(graph)
    return smaller


SHRINK_STRUCTURES = Pass(
    "shrink_structures",
    run,
    before=("fold_batchnorm", "lower_matmul", "recognize_sparsity"),
    on_request=True,
)
