"""Second answers of the ops that run bodies: each node by fractions, rounded and handed on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import dense_type
from minisparse.ops.body import Body
from tests.oracle.fraction_oracle import numbers


def _rounded(found: Any, dtype: Any) -> Array:
    """Return numbers as an array, each rounded once."""
    out = np.empty(found.shape, dtype)
    for at in np.ndindex(*found.shape):
        (x,) = found[at]
        out[at] = float(x) if out.dtype.kind == "f" else int(x)
    return out


def _run(body: Body, given: Sequence[Array]) -> list[Array]:
    from tests.oracle.fraction_ops import ANSWERS as INNER

    values = dict(zip(body.inputs, given, strict=True))
    for node in body.nodes:
        operands = [values[name] for name in node.inputs]
        (type,) = node.op.infer([dense_type(x) for x in operands], node.attrs)
        found = INNER[node.op.name](operands, node.op.complete(node.attrs))
        values[node.output] = _rounded(found, type.dtype)
    return [values[name] for name in body.outputs]


def _if_else(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Any:
    branch = "then_branch" if operands[0].all() else "else_branch"
    return tuple(numbers(x, x.dtype) for x in _run(attrs[branch], operands[1:]))


def _loop(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Any:
    body, count = attrs["body"], attrs["carried"]
    go_on, state = operands[1].all(), list(operands[2 : 2 + count])
    rows: list[list[Array]] = []
    while go_on and len(rows) < operands[0].max():
        given = [np.array(len(rows)), np.array(True), *state, *operands[2 + count :]]
        condition, *results = _run(body, given)
        go_on, state = condition.all(), results[:count]
        rows.append(results[count:])
    if not rows:  # the size of what was not collected is the body's to tell
        types = [dense_type(x) for x in operands]
        shapes = body.infer(types)[1 + count :]
        collected = [np.empty((0, *t.dims), t.dtype) for t in shapes]
    else:
        collected = [np.array(column) for column in zip(*rows, strict=True)]
    return tuple(numbers(x, x.dtype) for x in (*state, *collected))


def _chain(operands: Sequence[Array], attrs: Mapping[str, Any]) -> Any:
    """Return what the last node gives before it is rounded."""
    from tests.oracle.fraction_ops import ANSWERS as INNER

    body: Body = attrs["body"]
    last = next((n for n in body.nodes if n.output == body.outputs[0]), None)
    if last is None:
        (found,) = _run(body, operands)
        return numbers(found, found.dtype)
    read = _run(replace(body, outputs=tuple(last.inputs)), operands)
    return INNER[last.op.name](read, last.op.complete(last.attrs))


ANSWERS = {"if_else": _if_else, "loop": _loop, "chain": _chain}
MIXING = {"if_else", "loop", "chain"}
