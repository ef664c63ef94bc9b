"""Functions: ops that are written in other ops, by the model itself or by ONNX's own schemas."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minisparse.core.errors import GraphError
from minisparse.core.extras import require
from minisparse.frontends.onnx.problems import Declined
from minisparse.frontends.onnx.types import to_proto

if TYPE_CHECKING:
    from minisparse.frontends.onnx.rule import Call

DEEPEST = 50
"""Functions may call functions so deep; one that calls itself never ends."""


def attributes(node: Any) -> dict[str, Any]:
    """Return a node's attributes as numbers, texts and tuples; tensors and bodies as they are."""
    onnx = require("onnx", "onnx", "reading ONNX models")
    found = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, list | tuple):
            value = tuple(
                v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value
            )
        elif type(value).__name__ == "RepeatedScalarContainer":
            value = tuple(value)
        found[attribute.name] = value
    return found


def call_own(call: "Call", function: Any) -> list[str]:
    """Import what one of the model's own functions does, in place of the node that calls it.

    Raises
    ------
    GraphError
        If it calls itself.
    UnsupportedOpError, ShapeError
        What importing a node inside of it raises.
    """
    if call.name.count("/") > DEEPEST:
        raise GraphError(f"function '{function.name}' calls itself")
    opsets = {o.domain: o.version for o in function.opset_import} or dict(
        call.importer.model.opsets
    )
    inner = call.importer.child(call, function, opsets, strict=False)
    inner.run([_with_attributes(n, call.node, function) for n in function.node])
    outer = call.importer.found
    outer.unsupported += inner.found.unsupported
    outer.errors += inner.found.errors
    return [inner.lookup(name) for name in function.output]


def call_schema(call: "Call") -> list[str]:
    """Import an op that ONNX defines as a function, where all that it is made of has rules.

    Raises
    ------
    Declined
        If it is not so defined, or something inside has no rule.
    """
    function = _schema_function(call)
    opsets = {**call.importer.model.opsets, **{o.domain: o.version for o in function.opset_import}}
    inner = call.importer.child(call, function, opsets, strict=True)
    inner.run([_with_attributes(n, call.node, function) for n in function.node])
    if inner.found.unsupported or inner.found.errors:
        raise Declined("what it is made of has no rule")
    return [inner.lookup(name) for name in function.output[: len(call.node.output)]]


def _schema_function(call: "Call") -> Any:
    """Return the function that the schema of a node's op gives for its opset."""
    onnx = require("onnx", "onnx", "reading ONNX models")
    node = call.node
    if not onnx.defs.has(node.op_type, node.domain):
        raise Declined("no schema")
    try:
        schema = onnx.defs.get_schema(node.op_type, call.opset, node.domain)
    except onnx.defs.SchemaError as error:
        raise Declined("not in this opset") from error
    if any(name in call.draft.protos for name in call.inputs):
        raise Declined("an operand is no tensor")
    found = onnx.FunctionProto()
    plain, by_types = (
        max((v for v in versions if v <= call.opset), default=0)
        for versions in (
            schema.function_opset_versions,
            schema.context_dependent_function_opset_versions,
        )
    )
    if plain:
        found.ParseFromString(schema.get_function_with_opset_version(plain))
    elif by_types:
        types = [to_proto(call.type_of(i)) if i else onnx.TypeProto() for i in call.inputs]
        found.ParseFromString(
            schema.get_context_dependent_function_with_opset_version(
                by_types, node.SerializeToString(), [t.SerializeToString() for t in types]
            )
        )
    if not found.node:
        raise Declined("not defined as a function")
    return _with_defaults(found, schema)


def _with_defaults(function: Any, schema: Any) -> Any:
    """Add the defaults of an op's attributes, to which nodes inside may refer."""
    for name, attribute in schema.attributes.items():
        if attribute.default_value.name and name not in {a.name for a in function.attribute_proto}:
            function.attribute_proto.append(attribute.default_value)
    return function


def _with_attributes(node: Any, caller: Any, function: Any) -> Any:
    """Return a node of a function with the caller's attributes in place of references to them."""
    given = {a.name: a for a in function.attribute_proto}
    given.update({a.name: a for a in caller.attribute})
    return _filled(node, given)


def _filled(node: Any, given: Mapping[str, Any]) -> Any:
    refers = any(a.ref_attr_name or a.HasField("g") for a in node.attribute)
    if not refers:
        return node
    filled = type(node)()
    filled.CopyFrom(node)
    del filled.attribute[:]
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            added = filled.attribute.add()
            added.CopyFrom(attribute)
            if added.HasField("g"):
                inner = [_filled(n, given) for n in added.g.node]
                del added.g.node[:]
                added.g.node.extend(inner)
        elif attribute.ref_attr_name in given:
            added = filled.attribute.add()
            added.CopyFrom(given[attribute.ref_attr_name])
            added.name = attribute.name
    return filled
