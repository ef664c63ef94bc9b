"""Ops that onnx computes for us: written as they were read."""

from minisparse.frontends.onnx.fallback import Reference
from minisparse.frontends.onnx.writer import Export
from minisparse.ops import Op


def reference_of(op: Op) -> Reference | None:
    """Return what computes an op that was made for one node of an ONNX model, None for others."""
    owner = getattr(op.dense, "__self__", None)
    return owner if isinstance(owner, Reference) else None


def write_reference(call: Export, reference: Reference) -> None:
    """Write the node that an op was made of, its values under their names of here.

    Parameters
    ----------
    call : Export
        The node.
    reference : Reference
        Whose op it is.

    Raises
    ------
    Refused
        If it has bodies, is of another domain than ONNX's own, or has another version in the
        operator set that is written.
    """
    model, onnx = reference.model, call.writer.onnx
    (node,) = model.graph.node
    if node.domain not in ("", "ai.onnx"):
        call.refuse(f"it is of the domain '{node.domain}'")
    if any(
        a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute
    ):
        call.refuse("it has bodies, and was read for onnx to compute")
    read = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    versions = {
        onnx.defs.get_schema(node.op_type, version).since_version
        for version in (read, call.writer.opset)
    }
    if len(versions) > 1:
        call.refuse(
            f"it was read from opset {read}, and {call.writer.opset} has another version of it"
        )
    names = dict(zip((value.name for value in model.graph.input), call.inputs, strict=True))
    names |= dict(zip((value.name for value in model.graph.output), call.outputs, strict=True))
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    copied.input[:] = [names.get(name, "") for name in node.input]
    copied.output[:] = [names.get(name, "") for name in node.output]
    call.writer.add(copied, call.node.name)
