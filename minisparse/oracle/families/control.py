"""Exact answers of the ops that run bodies: node by node, as :func:`~.exact_run.run_exact` does.

Each node's exact result is rounded to its dtype and handed on. While all that a node reads is due
to the last bit, its answer has the bound of its own op. Where it reads what a right implementation
may have rounded otherwise, its result could differ by more than any op's own bound says, and
nothing is demanded of it: its bound is infinite, and the verdict on it vacuous. Only moving
elements keeps their bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.ops.body import Body
from minisparse.ops.control import LOOP
from minisparse.ops.node import Node
from minisparse.oracle.truth import Truth, from_array, parts

Values = Sequence[Truth]


def _is_settled(x: Truth) -> bool:
    """Tell whether every right implementation has the same value, bit for bit."""
    return not (parts(x.bound).any() or x.may_overflow.any())


def _unjudged(x: Truth) -> Truth:
    """Return an answer of which nothing is demanded but shape and dtype."""
    anything = np.full(x.hi.shape, np.inf)
    bound = anything if x.hi.dtype.kind != "c" else anything + 1j * anything
    return replace(x, bound=bound, may_overflow=np.ones(x.hi.shape, bool))


def _run_node(node: Node, operands: Values) -> Values:
    """Return the answers of a node, from those that it reads."""
    from minisparse.oracle.exact import exact_results  # which knows of this file

    if all(map(_is_settled, operands)):
        return exact_results(node.op, [x.rounded() for x in operands], node.attrs)
    attrs = node.op.complete(node.attrs)
    first, *rest = operands
    if node.op.moves and len(node.outputs) == 1 and all(map(_is_settled, rest)):
        others = [x.rounded() for x in rest]
        return (first.map(lambda x: np.asarray(node.op.dense([x, *others], attrs))),)
    found = exact_results(node.op, [x.rounded() for x in operands], node.attrs)
    return tuple(map(_unjudged, found))


def _run_body(body: Body, given: Values) -> Values:
    values = dict(zip(body.inputs, given, strict=True))
    for node in body.nodes:
        results = _run_node(node, [values[name] for name in node.inputs])
        values.update(zip(node.outputs, results, strict=True))
    return [values[name] for name in body.outputs]


def _element(x: Truth) -> Any:
    return x.hi.reshape(-1)[0]


def _if_else(operands: Sequence[Array], attrs: Mapping[str, Any]) -> tuple[Truth, ...]:
    """Return what the branch gives that the condition says."""
    condition, *captured = map(from_array, operands)
    branch = attrs["then_branch"] if _element(condition) else attrs["else_branch"]
    return tuple(_run_body(branch, captured))


def _loop(operands: Sequence[Array], attrs: Mapping[str, Any]) -> tuple[Truth, ...]:
    """Return the carried values after the last iteration, and those of all iterations stacked."""
    count = attrs["carried"]
    trips, condition, *others = map(from_array, operands)
    carried, captured = others[:count], others[count:]
    rows: list[Values] = []
    certain = True
    while len(rows) < _element(trips) and _element(condition):
        i = from_array(np.array(len(rows), np.int64))
        condition, *results = _run_body(attrs["body"], [i, condition, *carried, *captured])
        certain = certain and _is_settled(condition)
        carried, row = results[:count], results[count:]
        rows.append(row)
    stacked = [_stacked(column) for column in zip(*rows, strict=True)]
    found = (*carried, *(stacked if rows else _nothing(operands, attrs)))
    return found if certain else tuple(map(_unjudged, found))


def _stacked(values: Values) -> Truth:
    arrays: dict[str, Any] = {n: np.stack([getattr(x, n) for x in values]) for n in _ARRAYS}
    return replace(values[0], **arrays)


_ARRAYS = ("hi", "lo", "bound", "may_overflow")


def _chain(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Truth:
    """Return what a chain gives: its body's one output."""
    (found,) = _run_body(attrs["body"], [from_array(x) for x in operands])
    return found


def _nothing(operands: Sequence[Array], attrs: Mapping[str, Any]) -> tuple[Truth, ...]:
    """Return what a loop without an iteration collects: shape and dtype are the op's to tell."""
    meant = LOOP.dense(operands, attrs)
    results = meant if isinstance(meant, tuple) else (meant,)
    return tuple(map(from_array, results[attrs["carried"] :]))


ANSWERS = {"if_else": _if_else, "loop": _loop, "chain": _chain}
