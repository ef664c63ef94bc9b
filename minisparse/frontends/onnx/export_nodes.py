"""Write nodes of a graph, or of a body, one rule for each; fused ones part by part."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from minisparse.core.errors import UnsupportedOpError
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.export_rules import find_export_rules
from minisparse.frontends.onnx.export_rules.reference import reference_of, write_reference
from minisparse.frontends.onnx.writer import Export, ExportRule, Refused, Writer
from minisparse.graph import Node
from minisparse.ops import Op


def write_nodes(
    nodes: Iterable[Node],
    types: Mapping[str, TensorType],
    writer: Writer,
    names: dict[str, str],
    outputs: Collection[str] = (),
) -> None:
    """Write nodes in their order.

    Parameters
    ----------
    nodes : iterable of Node
        What to write.
    types : mapping
        The type of every value.
    writer : Writer
        Where to.
    names : dict
        From our names of values to ONNX's; what nodes define is added.
    outputs : collection of str
        Values whose names have to be there although nothing in the graph reads them.

    Raises
    ------
    UnsupportedOpError
        If ONNX cannot express some of the nodes; all of them are named.
    """
    refused = []
    for node in nodes:
        for name in node.outputs:
            names[name] = names.get(name) or writer.free(name)
        try:
            _write(node, types, writer, names, outputs)
        except Refused as error:
            refused.append(f"node '{node.name}' = {node.op.name}: {error}")
        except UnsupportedOpError as error:  # of a body, which named its own
            refused.append(f"in node '{node.name}': {error}")
    if refused:
        raise UnsupportedOpError("ONNX cannot express " + "; ".join(refused))


def _write(
    node: Node,
    types: Mapping[str, TensorType],
    writer: Writer,
    names: dict[str, str],
    outputs: Collection[str],
) -> None:
    """Write a node, the parts of a fused one after another."""
    parts = node.op.parts or (node.op,)
    rest = node.op.split(node.inputs)
    before: tuple[str, TensorType] | None = None
    for number, (part, sources) in enumerate(zip(parts, rest, strict=True), start=1):
        last = number == len(parts)
        given = [types[name] for name in sources]
        operands = [
            names[name] if name in names else writer.weight(name, _shape_read(part, given, i, node))
            for i, name in enumerate(sources)
        ]
        if before is not None:
            operands, given = [before[0], *operands], [before[1], *given]
            sources = (before[0], *sources)
            names[before[0]] = before[0]
        attrs = node.op.attrs_of(part, node.op.complete(node.attrs))
        results = part.infer(given, attrs)
        label = node.name if last else f"{node.name}/{part.name}"
        written = [names[o] for o in node.outputs] if last else [writer.free(label)]
        call = Export(
            replace(node, name=label),
            part,
            tuple(operands),
            tuple(written),
            tuple(given),
            results,
            attrs,
            writer,
            names,
            tuple("" if name in names else name for name in sources),
            any(o in outputs for o in node.outputs),
        )
        _apply(call)
        before = (written[0], results[0])


def _apply(call: Export) -> None:
    rules = _rules()
    reference = reference_of(call.op)
    if reference is not None:
        write_reference(call, reference)
        return
    if call.op.name not in rules:
        call.refuse("there is no rule for it")
    rules[call.op.name](call)


@cache
def _rules() -> dict[str, ExportRule]:
    return find_export_rules()


def _shape_read(
    part: Op, types: Sequence[TensorType], i: int, node: Node
) -> tuple[int, ...] | None:
    """Return the shape in which ONNX reads operand i, where that is not its own.

    Filters that are stored as a matrix ``[M, C * kh * kw]`` are ``[M, C, kh, kw]`` there.
    """
    kernel = node.attrs.get("kernel_shape")
    channels = types[0].shape[1] if types[0].ndim > 1 else None
    if part.name != "conv" or i != 1 or types[1].ndim != 2 or kernel is None:
        return None
    return (types[1].dims[0], channels, *kernel) if isinstance(channels, int) else None


def output_names(nodes: Sequence[Node], outputs: Mapping[str, str]) -> dict[str, str]:
    """Return which computed values are called as they are shown: from values to those names."""
    computed = {name for node in nodes for name in node.outputs}
    found: dict[str, str] = {}
    for shown, value in outputs.items():
        if value in computed:
            found.setdefault(value, shown)
    return found
