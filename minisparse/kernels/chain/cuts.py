"""Along which axes the values of a body can be cut so that each part needs no other part.

Every element of what works on each by itself needs what lies at its own place; a softmax needs its
row, a product of stacks of matrices a row of the one and a column of the other. Axes are counted
from the end, as shapes broadcast. What cannot be cut is computed as a whole, always rightly.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from minisparse.ops.body import Body
from minisparse.ops.node import Node
from minisparse.ops.op import Op

Shape = tuple[int, ...]
Axes = frozenset[int]
"""Axes, counted from the end: -1 is the last."""

_WITHIN_ROWS = {"softmax", "log_softmax"}
_OVER_LAST = {"layer_normalization", "rms_normalization"}


def is_pointwise(op: Op) -> bool:
    """Tell whether each element of a result needs what meets at its place alone.

    Examples
    --------
    >>> from minisparse.ops import ADD, RELU, SOFTMAX
    >>> [is_pointwise(op) for op in (ADD, RELU, SOFTMAX)]
    [True, True, False]
    """
    return (op.elementwise or op.broadcasts) and not op.parts


def can_be_cut(op: Op) -> bool:
    """Tell whether something is known here of how the results of an op can be cut."""
    return is_pointwise(op) or op.name in _WITHIN_ROWS | _OVER_LAST | {"matmul"}


@dataclass(frozen=True)
class Cuts:
    """How a body can be cut.

    Attributes
    ----------
    axes : frozenset of int
        Along which axes the result may be cut, each by itself.
    of : mapping
        For each value the axes along which a part of it is all that a part of the result needs;
        along the others the whole is needed.
    shapes : mapping
        The shape of each value.
    """

    axes: Axes
    of: Mapping[str, Axes]
    shapes: Mapping[str, Shape]


def find_cuts(body: Body, given: Mapping[str, Shape]) -> Cuts | None:
    """Return how a body can be cut on inputs of these shapes; None if that is not known.

    Parameters
    ----------
    body : Body
        With one output.
    given : mapping
        The shape of each input.
    """
    shapes = dict(given)
    for node in body.nodes:
        if len(node.outputs) != 1 or not can_be_cut(node.op):
            return None
        read = [shapes[name] for name in node.inputs]
        if node.op.name == "matmul" and min(map(len, read)) < 2:
            return None
        shapes[node.output] = _shape(node, read)
    result = shapes[body.outputs[0]]
    axes = frozenset(a for a in range(-len(result), 0) if result[a] > 1)
    while True:
        of, against = _of_values(body, shapes, axes)
        if not against:
            return Cuts(axes, of, shapes)
        axes -= against


def _shape(node: Node, read: list[Shape]) -> Shape:
    if node.op.name == "matmul":
        a, b = read
        return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    return read[0] if node.op.name in _OVER_LAST else np.broadcast_shapes(*read)


def _of_values(body: Body, shapes: Mapping[str, Shape], axes: Axes) -> tuple[dict[str, Axes], Axes]:
    """Return along which axes each value is cut, and those of the result that cannot be."""
    of = {body.outputs[0]: axes}
    for node in reversed(body.nodes):
        if node.output not in of:
            continue
        cut = of[node.output]
        against = cut & _needed_whole(node, len(shapes[node.output]))
        for name, wanted in zip(node.inputs, _of_operands(node, cut), strict=True):
            shape = shapes[name]
            own = frozenset(a for a in wanted if -a <= len(shape) and shape[a] > 1)
            against |= own ^ of.setdefault(name, own)
        if against:
            return of, against
    return of, frozenset()


def _needed_whole(node: Node, ndim: int) -> Axes:
    """Return the axes along which an element of a result needs more than lies at its place."""
    if node.op.name in _WITHIN_ROWS:
        return frozenset({(node.attrs["axis"] % ndim) - ndim})
    if node.op.name in _OVER_LAST:
        return frozenset(range((node.attrs["axis"] % ndim) - ndim, 0))
    return frozenset()


def _of_operands(node: Node, cut: Axes) -> list[Axes]:
    """Return along which axes each operand is cut where the result is."""
    if node.op.name == "matmul":
        return [cut - {-1}, cut - {-2}]
    return [cut] * len(node.inputs)


def pieces_of(body: Body, cuts: Cuts, most: int) -> list[dict[int, slice]]:
    """Return parts of the result such that no value of a part has more elements than ``most``.

    Parameters
    ----------
    body : Body
        With one output.
    cuts : Cuts
        How it can be cut; leading axes are cut first. Where they do not suffice, parts are larger.
    most : int
        Elements.

    Returns
    -------
    list of dict
        For each part, the slice of each axis that is cut, counted from the end.
    """
    shape = cuts.shapes[body.outputs[0]]
    extents = {axis: shape[axis] for axis in cuts.axes}
    for axis in sorted(cuts.axes):
        largest = _largest(body, cuts, extents)
        if largest <= most:
            break
        count = min(shape[axis], -(-largest // most))
        extents[axis] = -(-shape[axis] // count)
    cut = [axis for axis, n in sorted(extents.items()) if n < shape[axis]]
    ranges = [
        [slice(i, min(i + extents[a], shape[a])) for i in range(0, shape[a], extents[a])]
        for a in cut
    ]
    return [dict(zip(cut, parts, strict=True)) for parts in itertools.product(*ranges)]


def _largest(body: Body, cuts: Cuts, extents: Mapping[int, int]) -> int:
    """Return how many elements the largest computed value of a part has."""

    def size(name: str) -> int:
        shape, own = cuts.shapes[name], cuts.of[name]
        return prod(extents[a] if a in own else shape[a] for a in range(-len(shape), 0))

    names = [node.output for node in body.nodes if node.output in cuts.of]
    return max(map(size, names), default=0)
