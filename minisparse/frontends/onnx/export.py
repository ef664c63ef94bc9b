"""A graph written as an ONNX model: ``ms.to_onnx``.

What is written means what the graph means: kernels, wishes and patterns stay behind, fused ops are
written part by part, and a format is said of constants alone. ONNX has no sparse values but
weights, and computes with their zeros: ``0 * inf`` is NaN there also where the 0 is not stored.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.core.extras import require
from minisparse.core.files import written_whole
from minisparse.frontends.onnx.export_nodes import output_names, write_nodes
from minisparse.frontends.onnx.types import to_proto
from minisparse.frontends.onnx.writer import PURPOSE, Writer
from minisparse.graph import Graph

LEAST_OPSET = 21
"""The first version in which every op that is written means what ours means."""

LARGEST_MESSAGE = 2**31 - 2**20
"""Bytes of weights that fit into one protobuf message beside everything else."""

_IR_VERSIONS = ((21, 10), (23, 11), (24, 12), (25, 13))
_SPARSE = ("initializer", "constant", "dense")


def to_onnx(
    graph: Graph,
    path: str | Path | None = None,
    *,
    opset: int = LEAST_OPSET,
    sparse: str = "initializer",
    external_data: bool = False,
) -> Any:
    """Write a graph as an ONNX model.

    Parameters
    ----------
    graph : Graph
        Before or after passes; names of nodes, inputs, outputs and weights stay.
    path : str or Path, optional
        A file to write besides; by custom it ends in ``.onnx``.
    opset : int
        Version of ONNX's operator set, at least 21.
    sparse : {"initializer", "constant", "dense"}
        How sparse matrices are written: as ``sparse_initializer``; as ``Constant`` nodes with a
        ``sparse_value``, which onnx's shape inference understands too; or with all their zeros.
    external_data : bool
        Whether weights lie in a file of their own beside the model, ``<name>.data``, as they must
        where they have 2 GB or more.

    Returns
    -------
    onnx.ModelProto
        Checked by ``onnx.checker``; with ``external_data`` it refers to the weights' file.

    Raises
    ------
    UnsupportedOpError
        If ONNX cannot express some of the nodes; all of them are named.
    UsageError
        If opset or ``sparse`` is none of these, or the model is too large for one message.
    MissingExtraError
        If onnx is not installed.

    Examples
    --------
    A graph of one node::

        b = ms.GraphBuilder("tiny")
        x = b.input("x", ("batch", 3))
        model = ms.to_onnx(b.build({"y": b.op("relu", x, name="act")}))
        model.graph.node[0].op_type  # 'Relu'
    """
    onnx = require("onnx", "onnx", PURPOSE)
    _check_arguments(graph, path, opset, sparse, external_data)
    names = {name: name for name in graph.inputs}
    shown = output_names(graph.nodes, graph.outputs)
    taken = {*graph.inputs, *graph.constants, *graph.outputs}
    clashes = sorted(n for n, v in graph.outputs.items() if n in graph.inputs and v != n)
    if clashes:
        raise UnsupportedOpError(
            f"graph '{graph.name}': {', '.join(clashes)} names an input and an output, which ONNX "
            "cannot tell apart; rename one"
        )
    writer = Writer(graph.constants, taken, sparse, opset)
    for node in graph.nodes:
        names |= {name: shown.get(name) or writer.free(name) for name in node.outputs}
    write_nodes(graph.nodes, graph.types, writer, names, shown)
    outputs = _outputs(graph, writer, names)
    inputs = [onnx.helper.make_value_info(n, to_proto(t)) for n, t in graph.inputs.items()]
    model = _model(graph, writer, inputs, outputs, opset)
    try:
        _check_model(onnx, model, path, external_data)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        text = " ".join(str(error).split())
        raise UnsupportedOpError(f"graph '{graph.name}': onnx does not take it: {text}") from error
    return model


def _check_arguments(
    graph: Graph, path: str | Path | None, opset: int, sparse: str, external_data: bool
) -> None:
    """Raise UsageError for what cannot be written as it is asked for."""
    onnx = require("onnx", "onnx", PURPOSE)
    newest = onnx.defs.onnx_opset_version()
    if not LEAST_OPSET <= opset <= newest:
        raise UsageError(
            f"to_onnx: opset is {opset}; it must be one of {LEAST_OPSET} to {newest}, which the "
            "installed onnx knows"
        )
    if sparse not in _SPARSE:
        raise UsageError(f"to_onnx: sparse is {sparse!r}; it must be one of {', '.join(_SPARSE)}")
    if external_data and path is None:
        raise UsageError("to_onnx: external_data needs a path, beside which the data will lie")
    size = sum(constant.nbytes for constant in graph.constants.values())
    if size > LARGEST_MESSAGE and not external_data:
        raise UsageError(
            f"to_onnx: the weights have {size / 1e9:.1f} GB, and a message of protobuf holds 2; "
            "give a path and external_data=True"
        )


def _outputs(graph: Graph, writer: Writer, names: dict[str, str]) -> list[Any]:
    """Return the outputs' infos; a value that has another name already is handed on."""
    found = []
    for shown, value in graph.outputs.items():
        called = names[value] if value in names else writer.weight(value)
        if called != shown:
            writer.emit("Identity", (called,), (shown,), shown, {})
        proto = to_proto(graph.types[value])
        found.append(writer.onnx.helper.make_value_info(shown, proto))
    return found


def _model(
    graph: Graph, writer: Writer, inputs: Sequence[Any], outputs: Sequence[Any], opset: int
) -> Any:
    """Return the model around what was written."""
    helper = writer.onnx.helper
    proto = helper.make_graph(
        [*writer.constant_nodes, *writer.nodes],
        graph.name,
        inputs,
        outputs,
        initializer=writer.initializers,
        sparse_initializer=writer.sparse_initializers,
    )
    model = helper.make_model(
        proto,
        producer_name="minisparse",
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=max(ir for least, ir in _IR_VERSIONS if opset >= least),
    )
    helper.set_model_props(model, dict(graph.metadata))
    return model


def _check_model(onnx: Any, model: Any, path: str | Path | None, external_data: bool) -> None:
    """Have onnx check the model, and write it."""
    if external_data and path is not None:
        _write_in_two(onnx, model, Path(path))
        return
    if model.graph.sparse_initializer:
        onnx.checker.check_model(model)
    _check_types(onnx, model)
    if path is not None:
        with written_whole(path) as stream:
            stream.write(model.SerializeToString())


def _write_in_two(onnx: Any, model: Any, path: Path) -> None:
    """Write a model and its data, beside their final places until onnx has checked them."""
    data = f"{path.name}.data"
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder:
        part = Path(folder) / path.name
        onnx.save_model(
            model, str(part), save_as_external_data=True, location=data, size_threshold=1024
        )
        onnx.checker.check_model(str(part), full_check=not model.graph.sparse_initializer)
        if part.with_name(data).exists():
            os.replace(part.with_name(data), path.with_name(data))
        os.replace(part, path)


def _check_types(onnx: Any, model: Any) -> None:
    """Have onnx infer every type.

    Its inference takes a sparse initializer for a value that no op takes; so for that time they are
    inputs.
    """
    graph = model.graph
    matrices = list(graph.sparse_initializer)
    count = len(graph.input)
    infos = [
        onnx.helper.make_tensor_value_info(m.values.name, m.values.data_type, list(m.dims))
        for m in matrices
    ]
    del graph.sparse_initializer[:]
    graph.input.extend(infos)
    try:
        onnx.checker.check_model(model, full_check=True)
    finally:
        del graph.input[count:]
        graph.sparse_initializer.extend(matrices)
