"""Which results lie in the memory of an operand: what NumPy will do, told from shapes and strides.

Ops that only move elements (``Op.moves``) may return a view. Whether they do depends on how the
operand lies: a reshape of an array in C order is a view, and of a transposed one it is a copy. So
each value's strides are followed through the graph, in elements. All other kernels return memory of
their own: a test holds them to it. What other libraries compute is not known that well.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from minisparse.core.tensor_type import TensorType
from minisparse.graph import Node
from minisparse.ops import OPS
from minisparse.ops.control import IF_ELSE, LOOP

Strides = tuple[int, ...]


class View(NamedTuple):
    """What is known of a result before the run.

    Attributes
    ----------
    shares : bool or None
        Whether it lies in the memory of the first operand; None where that is not known, nor which
        operand it would be.
    strides : tuple of int, or None
        In elements; None where they are not known.
    """

    shares: bool | None
    strides: Strides | None


_MAYBE = View(None, None)


def c_strides(shape: Sequence[int]) -> Strides:
    """Return the strides of an array in C order, in elements.

    Examples
    --------
    >>> c_strides((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def reshaped(shape: Sequence[int], strides: Strides, wanted: Sequence[int]) -> Strides | None:
    """Return the strides of a view in another shape, None where a reshape has to copy.

    Axes of both shapes are matched in groups of the same product; the old axes of a group must
    follow each other in memory. (NumPy's own rule, ``_attempt_nocopy_reshape`` in shape.c.)

    Parameters
    ----------
    shape, wanted : sequence of int
        Of as many elements.
    strides : tuple of int
        Of ``shape``.

    Examples
    --------
    >>> reshaped((2, 3, 4), (12, 4, 1), (6, 4)), reshaped((3, 2), (1, 3), (6,))
    ((4, 1), None)
    """
    if prod(shape) == 0:
        return c_strides(wanted)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    found: list[int] = []
    i = j = 0
    while i < len(old) and j < len(wanted):
        group, size, first = [old[i]], wanted[j], j
        i, j = i + 1, j + 1
        while prod(n for n, _ in group) != size:
            if prod(n for n, _ in group) < size:
                group.append(old[i])
                i += 1
            else:
                size *= wanted[j]
                j += 1
        if any(s != n * below for (_, s), (n, below) in pairwise(group)):
            return None
        inner = group[-1][1]
        found += [s * inner for s in c_strides(wanted[first:j])]
    return (*found, *[1] * (len(wanted) - len(found)))


def _without_copy(x: TensorType, strides: Strides, node: Node, result: TensorType) -> View:
    found = reshaped(x.dims, strides, result.dims)
    return View(False, c_strides(result.dims)) if found is None else View(True, found)


def _transposed(x: TensorType, strides: Strides, node: Node, result: TensorType) -> View:
    perm = node.attrs["perm"] or tuple(reversed(range(x.ndim)))
    return View(True, tuple(strides[axis] for axis in perm))


def _broadcast(x: TensorType, strides: Strides, node: Node, result: TensorType) -> View:
    own = result.dims[result.ndim - x.ndim :]
    kept = [s if n == m else 0 for s, n, m in zip(strides, x.dims, own, strict=True)]
    return View(True, (*[0] * (result.ndim - x.ndim), *kept))


def _same_strides(x: TensorType, strides: Strides, node: Node, result: TensorType) -> View:
    return View(True, strides)


_VIEWS: Mapping[str, Callable[[TensorType, Strides, Node, TensorType], View]] = {
    "reshape": _without_copy,
    "flatten": _without_copy,
    "squeeze": _without_copy,
    "unsqueeze": _without_copy,
    "transpose": _transposed,
    "expand": _broadcast,
    "split": _same_strides,
    "identity": _same_strides,
}
"""From ops that move elements to what they do to an operand whose strides are known."""

_SURE = frozenset({"slice", *_VIEWS}) - {"reshape", "flatten"}
"""Ops whose result is a view, whatever the operand's strides."""


def view_of(
    node: Node, operands: Sequence[TensorType], result: TensorType, strides: Strides | None
) -> View:
    """Return whether a result of a node lies in its first operand's memory, and its strides.

    Parameters
    ----------
    node : Node
        What computes it.
    operands : sequence of TensorType
        Types of its operands.
    result : TensorType
        Type of the result.
    strides : tuple of int, or None
        Of the first operand, in elements; None where they are not known.
    """
    name, base = node.op.name, node.op.base
    if OPS.get(base.name) is not base or base in (IF_ELSE, LOOP):
        return _MAYBE
    known = not any(t.symbols for t in (*operands, result))
    if not node.op.moves:
        return View(False, c_strides(result.dims) if known else None)
    if known and strides is not None and name in _VIEWS:
        return _VIEWS[name](operands[0], strides, node, result)
    return View(True, None) if name in _SURE else _MAYBE
