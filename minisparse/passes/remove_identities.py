"""Remove nodes that give back what they are given.

Before    y = reshape(squeeze(unsqueeze(x)), shape of x)     After    readers of y read x
          z = relu(relu(a))                                           z = relu(a)

Why       Exporters leave them behind: casts to the same dtype, dropout, slices of everything.
          Each costs a call, many a copy, and all stand between a product and its epilogue.
When      The result has the operand's shape, dtype and layout, and either nothing is computed
          (a reshape to the shape that was, a permutation of axes of length one, a pad by nothing,
          a maximum of one), or what is computed changes no number: ``x * 1``, ``x / 1``,
          ``x - 0``, ``x ** 1``, and ``x + -0.0``. Not ``x + 0.0``, which makes 0.0 of -0.0.
          A function that is its own square, such as relu, is computed once.
Keeps     Every result bit for bit.
"""

from collections.abc import Callable

import numpy as np

from minisparse.core.tensor_type import TensorType
from minisparse.cost import Target
from minisparse.formats import Matrix
from minisparse.graph import Graph, Node
from minisparse.passes.rewrite import Pass
from minisparse.passes.sweep import Sweep

_RESHAPING = ("reshape", "flatten", "squeeze", "unsqueeze")
"""Ops that keep the elements and their order, and change only how many axes they lie along."""
_PROJECTIONS = ("relu", "abs", "sign", "floor", "ceil", "round", "clip", "trilu")
"""Ops that change nothing the second time."""
_INVOLUTIONS = ("neg", "not")
"""Ops that undo themselves."""


def run(graph: Graph, target: Target) -> Graph:
    """Let readers of a result that is an operand read the operand."""
    sweep = Sweep(graph)
    for given in graph.nodes:
        node = sweep.seen(given)
        same = _same_value(sweep, node)
        if same is None or not sweep.forward(node, same):
            sweep.keep(node)
    return sweep.result()


def _same_value(sweep: Sweep, node: Node) -> str | None:
    """Return a value that has every element of a node's one result, if one is known."""
    if len(node.outputs) != 1 or not node.inputs:
        return None
    if node.op.name in _RESHAPING:
        return _before_reshaping(sweep, node)
    before = sweep.producer(node.inputs[0])
    if before is not None and before.op is node.op and before.attrs == node.attrs:
        if node.op.name in _INVOLUTIONS:
            return before.inputs[0]
        if node.op.name in _PROJECTIONS and before.inputs[1:] == node.inputs[1:]:
            return node.inputs[0]
    keeps = _KEEPING.get(node.op.name)
    if keeps is None:
        return None
    alike = (x for x in node.inputs if _are_alike(sweep.types[x], sweep.types[node.output]))
    return next((x for x in alike if keeps(sweep, node, x)), None)


def _are_alike(a: TensorType, b: TensorType) -> bool:
    return (a.shape, a.dtype, a.layout) == (b.shape, b.dtype, b.layout)


def _before_reshaping(sweep: Sweep, node: Node) -> str | None:
    """Return the nearest value before reshapes in a row that has the shape of the last."""
    at: Node | None = node
    while at is not None and at.op.name in _RESHAPING:
        if _are_alike(sweep.types[at.inputs[0]], sweep.types[node.output]):
            return at.inputs[0]
        at = sweep.producer(at.inputs[0])
    return None


def _always(sweep: Sweep, node: Node, value: str) -> bool:
    """Tell yes: an operand of the result's shape, dtype and layout is the result."""
    return value == node.inputs[0]


def _is_alone(sweep: Sweep, node: Node, value: str) -> bool:
    """Tell whether there is no other operand."""
    return len(node.inputs) == 1


def _has_no_bounds(sweep: Sweep, node: Node, value: str) -> bool:
    return node.attrs["min"] is None and node.attrs["max"] is None


def _keeps_axes(sweep: Sweep, node: Node, value: str) -> bool:
    """Tell whether all axes but those of length one stay in order."""
    shape, perm = sweep.types[value].shape, node.attrs["perm"]
    order = range(len(shape))[::-1] if perm is None else perm
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved)


def _takes_every(sweep: Sweep, node: Node, value: str) -> bool:
    """Tell whether a slice goes forward one by one; then one of full length takes everything."""
    steps = sweep.types[node.inputs[4]].known if len(node.inputs) > 4 else ()
    return value == node.inputs[0] and steps is not None and set(steps) <= {1}


def _all_are(wanted: int) -> Callable[[Sweep, Node, str], bool]:
    """Return whether the elements of the second operand are all one number."""

    def holds(sweep: Sweep, node: Node, value: str) -> bool:
        known = sweep.types[node.inputs[1]].known
        return value == node.inputs[0] and known is not None and set(known) <= {wanted}

    return holds


def _beside(neutral: float, commutes: bool = False) -> Callable[[Sweep, Node, str], bool]:
    """Return whether the other operand is a constant of neutral elements."""

    def holds(sweep: Sweep, node: Node, value: str) -> bool:
        first, second = node.inputs
        if value != first and not commutes:
            return False
        constant = sweep.constants.get(second if value == first else first)
        if constant is None or isinstance(constant, Matrix) or constant.dtype.kind in "bc":
            return False  # (1 + 0i) (inf + i) is not a number
        numbers = constant.astype(np.float64)
        signed = constant.dtype.kind in "iu" or np.signbit(numbers) == np.signbit(neutral)
        return constant.size > 0 and bool(np.all((numbers == neutral) & signed))

    return holds


_KEEPING: dict[str, Callable[[Sweep, Node, str], bool]] = {
    "identity": _always,
    "cast": _always,
    "convert": _always,
    "expand": _always,
    "concat": _is_alone,
    "max": _is_alone,
    "min": _is_alone,
    "split": _is_alone,
    "clip": _has_no_bounds,
    "transpose": _keeps_axes,
    "slice": _takes_every,
    "tile": _all_are(1),
    "pad": _all_are(0),
    "add": _beside(-0.0, commutes=True),
    "sub": _beside(0.0),
    "multiply": _beside(1.0, commutes=True),
    "div": _beside(1.0),
    "pow": _beside(1.0),
}
"""By op: given an operand that is like the result, whether it is the result."""


REMOVE_IDENTITIES = Pass(
    "remove_identities", run, before=("fold_batchnorm", "lower_matmul", "recognize_sparsity")
)
