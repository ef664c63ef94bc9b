"""Whether a node has the inputs and attributes that ONNX's schema of its op demands."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from minisparse.core.errors import GraphError
from minisparse.core.extras import require

_KINDS = {
    "INT": "an integer", "FLOAT": "a number", "STRING": "a text", "INTS": "a list of integers",
    "FLOATS": "a list of numbers", "STRINGS": "a list of texts", "TENSOR": "a tensor",
    "GRAPH": "a graph",
}  # fmt: skip


def check_node(node: Any, opset: int) -> None:
    """Compare a node with its schema; of ops without one nothing is known.

    Parameters
    ----------
    node : onnx.NodeProto
        A node of a model.
    opset : int
        The version of the operator set that it is written in.

    Raises
    ------
    GraphError
        If it has too few or too many inputs or outputs, or attributes that are missing, unknown,
        or of another kind.
    """
    wanted = _form(node.op_type, node.domain, opset)
    problem = None if wanted is None else next(_problems(node, wanted), None)
    if problem is not None:
        raise GraphError(problem)


class _Form(NamedTuple):
    """What a schema demands, looked up once."""

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    needed: tuple[str, ...]  # from the first on, "" for what may be left out
    kinds: dict[str, str]  # of the attributes
    required: tuple[str, ...]  # attributes


@cache
def _form(op_type: str, domain: str, opset: int) -> _Form | None:
    onnx = require("onnx", "onnx", "reading ONNX models")
    try:
        schema = onnx.defs.get_schema(op_type, opset, "" if domain == "ai.onnx" else domain)
    except onnx.defs.SchemaError:
        return None
    single = type(schema).FormalParameterOption.Single
    attributes = schema.attributes
    return _Form(
        (schema.min_input, schema.max_input),
        (schema.min_output, schema.max_output),
        tuple(formal.name if formal.option == single else "" for formal in schema.inputs),
        {name: attribute.type.name for name, attribute in attributes.items()},
        tuple(name for name, attribute in attributes.items() if attribute.required),
    )


def _problems(node: Any, wanted: _Form) -> Iterator[str]:
    """Yield what is wrong with a node, each in a sentence."""
    for what, given, (least, most) in (
        ("inputs", len(node.input), wanted.inputs),
        ("outputs", len(node.output), wanted.outputs),
    ):
        if not least <= given <= most:
            count = f"{least}" if least == most else f"{least} to {most}"
            yield f"it has {given} {what}, but {node.op_type} takes {count}"
    for name, needed in zip(node.input, wanted.needed, strict=False):
        if needed and not name:
            yield f"it needs its input {needed}"
    given_names = {attribute.name for attribute in node.attribute}
    for name in wanted.required:
        if name not in given_names:
            yield f"it needs its attribute {name}"
    for attribute in node.attribute:
        kind = wanted.kinds.get(attribute.name)
        if kind is None:
            yield f"ONNX's {node.op_type} has no attribute {attribute.name}"
        elif not attribute.ref_attr_name and _kind(attribute) != kind:
            text = _KINDS.get(kind, kind).split(" ", 1)[-1]
            yield f"its attribute {attribute.name} is no {text}"


def _kind(attribute: Any) -> str:
    return str(type(attribute).AttributeType.Name(attribute.type))
