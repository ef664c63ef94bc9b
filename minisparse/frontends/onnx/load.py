"""Read an ONNX model into a graph: the way from the file to the first node, told once."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minisparse.core.errors import (
    DTypeError,
    GraphError,
    ModelFileError,
    UnsupportedOpError,
    UsageError,
)
from minisparse.core.extras import require
from minisparse.core.files import allowed_bytes
from minisparse.core.symbolic import replace_names
from minisparse.core.tensor_type import TensorType
from minisparse.frontends.onnx.draft import Draft
from minisparse.frontends.onnx.form import check_form
from minisparse.frontends.onnx.importer import Found, Importer, Model, used_names
from minisparse.frontends.onnx.problems import refuse
from minisparse.frontends.onnx.reader import ModelFile, read
from minisparse.frontends.onnx.rules import find_rules
from minisparse.frontends.onnx.types import from_proto, is_tensor
from minisparse.frontends.onnx.weights import define_weights
from minisparse.graph import Graph

OLDEST = 7
"""Before this opset broadcasting was something else: only ops that have not changed are read."""


def load(source: Any, *, fallback: bool = True, sizes: Mapping[str, int] | None = None) -> Graph:
    """Read an ONNX model.

    Parameters
    ----------
    source : str, Path, bytes or onnx.ModelProto
        A path; or what is in such a file.
    fallback : bool
        Whether ops that have no rule are computed by onnx's own reference implementation; they
        are called ``onnx.<Name>`` then. Without, they are an error.
    sizes : mapping, optional
        Numbers for named dimensions, for ops that cannot do with names: ``{"height": 224}``.

    Returns
    -------
    Graph
        Values have the names that they have in the model. Initializers are constants, also those
        that are inputs besides; sparse ones are matrices.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is damaged, or weights in it are; all of these are named.
    GraphError
        If names are defined twice or not at all, or nodes wait for each other.
    UnsupportedOpError
        If an opset is unknown, or ops have neither a rule nor an implementation in onnx; all are
        named, with their nodes.
    ShapeError, DTypeError
        If operands break constraints.
    MissingExtraError
        If onnx is not installed.
    """
    file = read(source)
    graph = file.model.graph
    check_form(graph, file.name)
    model = Model(
        file, find_rules(), _opsets(file), {(f.domain, f.name): f for f in file.model.functions},
        _declared(graph), fallback,
    )  # fmt: skip
    used = used_names(graph)
    draft = Draft(graph.name or "graph", used, allowed_bytes(file.size))
    importer = Importer(model, draft)
    define_weights(graph, file, draft, importer.values, used)
    _define_inputs(graph, file, importer, dict(sizes or {}))
    importer.run(graph.node)
    _refuse_found(file, importer.found)
    return draft.finish(_outputs(graph, importer), _metadata(file))


def _opsets(file: ModelFile) -> dict[str, int]:
    """Return the versions of the operator sets, ONNX's own under ``""``."""
    onnx = require("onnx", "onnx", "reading ONNX models")
    found = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in file.model.opset_import}
    newest = onnx.defs.onnx_opset_version()
    own = found.get("", newest)
    changed = {n.op_type for n in file.model.graph.node if own < OLDEST and _changed(n, own)}
    if changed or not 1 <= own <= newest:
        which = f" ({', '.join(sorted(changed))} have changed since)" if changed else ""
        raise UnsupportedOpError(
            f"{file.name}: it is written in opset {own}{which}; opsets {OLDEST} to {newest} are "
            f"read, with onnx {onnx.__version__}: convert it with onnx.version_converter, or "
            "install a newer onnx"
        )
    return {**found, "": max(own, OLDEST)} if "" in found else found


def _changed(node: Any, opset: int) -> bool:
    """Tell whether an op of an old opset means something else in the oldest one that is read."""
    onnx = require("onnx", "onnx", "reading ONNX models")
    if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type):
        return False
    try:
        then, now = (onnx.defs.get_schema(node.op_type, v) for v in (opset, OLDEST))
    except onnx.defs.SchemaError:
        return True
    return bool(then.since_version != now.since_version)


def _declared(graph: Any) -> dict[str, Any]:
    """Return the types that a model declares for what its nodes compute."""
    values = (*graph.value_info, *graph.output)
    return {value.name: value.type for value in values if value.type.WhichOneof("value")}


def _define_inputs(
    graph: Any, file: ModelFile, importer: Importer, sizes: Mapping[str, int]
) -> None:
    """Add the inputs that are not initializers; all that cannot be read are named."""
    problems: list[str] = []
    for value in graph.input:
        if value.name in importer.values:
            continue
        try:
            type = from_proto(value.type, value.name)
        except DTypeError as error:
            problems.append(f"'{value.name}': {error}")
            continue
        if type is None:
            problems.append(f"'{value.name}' has no element type or rank: declare its shape")
        elif any(isinstance(d, int) and not 0 <= d < 2**31 for d in type.shape):
            problems.append(f"'{value.name}' is {type}: sizes must be from 0 to 2**31 - 1")
        else:
            _define_input(value, type, importer, sizes)
    refuse(file.name, ModelFileError, "inputs that cannot be read", problems)
    names = {n for t in importer.draft.inputs.values() for n in t.symbols}
    unknown = sorted(set(sizes) - names) if not all(n in _all_names(graph) for n in sizes) else []
    if unknown:
        raise UsageError(
            f"{file.name}: it has no dimension {', '.join(unknown)}; named dimensions: "
            f"{', '.join(sorted(_all_names(graph))) or 'none'}"
        )


def _define_input(
    value: Any, type: TensorType, importer: Importer, sizes: Mapping[str, int]
) -> None:
    shape = tuple(replace_names(d, sizes) for d in type.shape)
    importer.draft.input(value.name, TensorType(shape, type.dtype))
    importer.values[value.name] = value.name
    if not is_tensor(value.type):
        importer.draft.protos[value.name] = value.type


def _all_names(graph: Any) -> set[str]:
    """Return every name of a dimension of the inputs."""
    types = [from_proto(value.type, value.name) for value in graph.input]
    return {name for t in types if t is not None for name in t.symbols}


def _refuse_found(file: ModelFile, found: Found) -> None:
    """Raise one error for all nodes of a kind that could not be imported."""
    counts = Counter(op for op, _ in found.unsupported)
    texts = [
        f"{op} ({count}: {', '.join(node for o, node in found.unsupported if o == op)})"
        for op, count in counts.items()
    ]
    refuse(
        file.name, UnsupportedOpError,
        "ops that neither minisparse nor onnx's reference implementation has", texts,
    )  # fmt: skip
    for kind in dict.fromkeys(kind for kind, _ in found.errors):
        texts = [text for k, text in found.errors if k is kind]
        refuse(file.name, kind, "nodes that cannot be computed", texts)


def _outputs(graph: Any, importer: Importer) -> dict[str, str]:
    """Return the values of the outputs; an input or constant handed through is copied."""
    draft = importer.draft
    found = {}
    for value in graph.output:
        result = importer.lookup(value.name)
        if result in draft.inputs or result in draft.constants:
            result = _copied(importer, draft.as_plain(result), value.name)
        found[value.name] = result
    if not found:
        raise GraphError(f"graph '{draft.name}' has no output, so it computes nothing")
    return found


def _copied(importer: Importer, value: str, name: str) -> str:
    from minisparse.ops import OPS

    draft = importer.draft
    if value in draft.protos or draft.types[value].dtype == object or "identity" not in OPS:
        return value
    since = len(draft.nodes)
    (result,) = draft.add(OPS["identity"], (value,), {}, f"{name}:identity")
    return draft.claim(since, [result], [name])[0]


def _metadata(file: ModelFile) -> dict[str, str]:
    """Return where a model comes from, and what it says of itself."""
    model = file.model
    opsets = ", ".join(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import)
    producer = f"{model.producer_name} {model.producer_version}".strip()
    found = {p.key: p.value for p in model.metadata_props}
    found["onnx opset"] = opsets
    if producer:
        found["onnx producer"] = producer
    if model.doc_string:
        found["onnx doc"] = model.doc_string
    if file.folder is not None:
        found["onnx file"] = Path(file.name).name
    return found
