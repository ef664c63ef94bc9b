"""If and Loop. What a body reads from outside becomes operands; sequences are onnx's to handle."""

from collections.abc import Sequence
from itertools import count

import numpy as np

from minisparse.core.errors import MinisparseError
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.rule import Call, Rules
from minisparse.ops.body import Body
from minisparse.ops.control import LOOP, formal_types

ENDLESS = 2**63 - 1
"""The trip count of a loop that only its condition ends."""


def _if(call: Call) -> Sequence[str]:
    """Import both branches, or twice the one that is known to be taken."""
    names = ("then_branch", "else_branch")
    known = call.known(0)
    if known is not None:
        names = names[:1] * 2 if known[0] else names[1:] * 2
    imported = {name: call.importer.import_body(call.attr(name)) for name in dict.fromkeys(names)}
    captured = tuple(dict.fromkeys(value for _, read in imported.values() for value in read))
    bodies = {name: _taking(body, read, captured) for name, (body, read) in imported.items()}
    attrs = {"then_branch": bodies[names[0]], "else_branch": bodies[names[1]]}
    return call.apply("if_else", (call.inputs[0], *captured), attrs)


def _taking(body: Body, read: Sequence[str], captured: Sequence[str]) -> Body:
    """Return a body that takes all of ``captured``, also what it does not read."""
    own = dict(zip(read, body.inputs, strict=True))
    used = {*body.inputs, *(name for node in body.nodes for name in node.outputs)}
    free = (name for name in map("unread_{}".format, count(1)) if name not in used)
    inputs = tuple(own[value] if value in own else next(free) for value in captured)
    return Body(inputs, body.nodes, body.outputs)


def _loop(call: Call) -> Sequence[str]:
    """Import the body for sizes that hold at every iteration, which may take several attempts."""
    trips = call.inputs[0] if call.has(0) else call.constant(ENDLESS, np.int64, "trip_count")
    go_on = call.inputs[1] if call.has(1) else call.constant(True, bool, "condition")
    carried = call.inputs[2:]
    if "" in carried:
        call.decline("a carried value is left out")
    own: tuple[TensorType, ...] = (
        TensorType((), np.dtype(np.int64)),
        TensorType((), np.dtype(bool)),
        *map(call.type_of, carried),
    )
    while True:
        body, captured = call.importer.import_body(call.attr("body"), own)
        operands = (trips, go_on, *carried, *captured)
        attrs = {"body": body, "carried": len(carried)}
        try:
            formal = formal_types(LOOP, [call.type_of(name) for name in operands], attrs)["body"]
        except MinisparseError as error:  # ranks or dtypes that change: objects, as onnx has them
            call.decline(str(error))
        if formal[: len(own)] == own:
            return call.apply("loop", operands, attrs)
        own = formal[: len(own)]


CONTROL = Rules({"If": _if, "Loop": _loop})
