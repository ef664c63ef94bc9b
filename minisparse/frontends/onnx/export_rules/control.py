"""Ops that run bodies: their bodies become graphs inside of the node.

In ONNX a body reads values from outside by their names; so what a body of ours captures is not
handed in, but what it calls that value is replaced by the value's name outside.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.export_nodes import write_nodes
from minisparse.frontends.onnx.types import to_proto
from minisparse.frontends.onnx.writer import Export, ExportRules
from minisparse.ops.body import Body
from minisparse.ops.control import IF_ELSE, LOOP, captured, formal_types


def _if_else(call: Export) -> None:
    """Write both branches, or twice the one that can be taken."""
    formal = formal_types(IF_ELSE, call.types, call.attrs)
    graphs = {
        name: _graph(call, call.attrs[name], name, types, 0) for name, types in formal.items()
    }
    (only,) = graphs.values() if len(graphs) == 1 else (None,)
    call.emit(
        "If",
        call.inputs[0],
        then_branch=graphs.get("then_branch", only),
        else_branch=graphs.get("else_branch", only),
    )


def _loop(call: Export) -> None:
    (types,) = formal_types(LOOP, call.types, call.attrs).values()
    first = captured(LOOP, call.attrs)
    body = _graph(call, call.attrs["body"], "body", types, first)
    single = [_scalar(call, i) for i in range(2)]
    call.emit("Loop", *single, *call.inputs[2:first], body=body)


def _scalar(call: Export, i: int) -> str:
    """Return an operand of one element without dimensions, as the body has it."""
    if call.types[i].ndim == 0:
        return call.inputs[i]
    return call.value("Reshape", call.inputs[i], call.number([], np.int64, "shape"))


def _graph(call: Export, body: Body, label: str, types: Sequence[TensorType], own: int) -> Any:
    """Return a body as a graph: ``own`` inputs are handed in, the others read from outside."""
    writer, helper = call.writer, call.writer.onnx.helper
    inside = body.types(types)
    outside = call.inputs[len(call.inputs) - (len(body.inputs) - own) :]
    names = dict(zip(body.inputs[own:], outside, strict=True))
    names |= {name: writer.free(name) for name in body.inputs[:own]}
    with writer.body() as nodes:
        write_nodes(body.nodes, inside, writer, names)
        outputs = []
        for name in body.outputs:
            output = writer.free(f"{call.node.name}/{label}/{name}")
            writer.emit("Identity", (names[name],), (output,), output, {})
            outputs.append(helper.make_value_info(output, to_proto(inside[name])))
    inputs = [helper.make_value_info(names[n], to_proto(inside[n])) for n in body.inputs[:own]]
    return helper.make_graph(nodes, f"{call.node.name}.{label}", inputs, outputs)


def _chain(call: Export) -> None:
    """Write the nodes of the body where the chain stood."""
    body: Body = call.attrs["body"]
    names = dict(zip(body.inputs, call.inputs, strict=True))
    inside = body.types(call.types)
    nodes = [replace(node, name=f"{call.node.name}/{node.name}") for node in body.nodes]
    (output,) = body.outputs
    if output in body.inputs:
        call.emit("Identity", names[output])
        return
    names[output] = call.outputs[0]
    write_nodes(nodes, inside, call.writer, names)


CONTROL = ExportRules({"if_else": _if_else, "loop": _loop, "chain": _chain})
