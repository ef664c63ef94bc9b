"""minisparse's own model file: one ``.npz`` with a JSON description and the weights' arrays.

Members: ``graph.json`` (UTF-8 text as uint8: name, inputs, nodes, outputs, metadata, and the
format of each constant) and ``c<i>.<array>``, the arrays of constant i. Files are untrusted:
nothing is unpickled, and every name, type and size is checked before use.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array, as_dtype
from minisparse.core.errors import MinisparseError, ModelFileError, UnsupportedOpError
from minisparse.core.npz import read_npz, write_npz
from minisparse.core.symbolic import Dim
from minisparse.core.tensor_type import TensorType
from minisparse.formats import FORMATS, Matrix
from minisparse.graph.graph import Constant, Graph
from minisparse.ops import OPS
from minisparse.ops.body import Body
from minisparse.ops.node import Node

FILE_VERSION = 1
_DESCRIPTION = "graph.json"


def save(graph: Graph, path: str | Path) -> None:
    """Write a graph; the file appears whole or not at all.

    Parameters
    ----------
    graph : Graph
        Wishes of nodes and patterns are not stored: compiling finds them again.
    path : str or Path
        Where to; by custom it ends in ``.npz``.

    Raises
    ------
    UnsupportedOpError
        If nodes are computed by another library, as ops of ONNX without a counterpart are; all of
        them are named.
    """
    _refuse_foreign(graph)
    arrays: dict[str, Array] = {}
    constants = []
    for i, (name, constant) in enumerate(graph.constants.items()):
        parts = constant.arrays if isinstance(constant, Matrix) else {"dense": constant}
        arrays.update({f"c{i}.{part}": array for part, array in parts.items()})
        constants.append({"name": name, **_constant_to_json(constant)})
    description = {
        "minisparse_graph": FILE_VERSION,
        "name": graph.name,
        "inputs": {n: {"shape": t.shape, "dtype": t.dtype.name} for n, t in graph.inputs.items()},
        "constants": constants,
        "nodes": [_node_to_json(node) for node in graph.nodes],
        "outputs": dict(graph.outputs),
        "metadata": dict(graph.metadata),
    }
    arrays[_DESCRIPTION] = np.frombuffer(json.dumps(description, indent=1).encode(), np.uint8)
    write_npz(path, arrays)


def _refuse_foreign(graph: Graph) -> None:
    """Refuse ops that were made for one model: no name in a file could stand for them."""
    nodes = [inner for node in graph.nodes for inner in _with_bodies(node)]
    found = [f"'{n.name}' = {n.op.name}" for n in nodes if not n.op.name.isidentifier()]
    if found:
        raise UnsupportedOpError(
            f"graph '{graph.name}' cannot be saved: another library computes {', '.join(found)}; "
            "keep the file that the model was read from"
        )


def _with_bodies(node: Node) -> Iterator[Node]:
    """Yield a node and the nodes of its bodies."""
    yield node
    for body in node.attrs.values():
        if isinstance(body, Body):
            for inner in body.nodes:
                yield from _with_bodies(inner)


def load(path: str | Path) -> Graph:
    """Read a graph that :func:`save` wrote.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, pickled, or not a minisparse model; the message says
        which member is wrong.
    UnsupportedOpError
        If the model uses ops that do not exist; all of them are named.
    GraphError, ShapeError, FormatError
        If the graph or a weight in it is not well formed.
    """
    arrays = read_npz(path)
    if _DESCRIPTION not in arrays:
        raise ModelFileError(f"{path}: no member '{_DESCRIPTION}': not a minisparse model")
    try:
        text = json.loads(arrays[_DESCRIPTION].tobytes().decode())
        version = text["minisparse_graph"]
        if version != FILE_VERSION:
            raise ModelFileError(
                f"{path}: file version {version}; this release reads {FILE_VERSION}"
            )
        return _graph_from_json(text, arrays)
    except MinisparseError as error:
        raise type(error)(_prefixed(str(error), path)) from error
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: member '{_DESCRIPTION}' is damaged ({error!r}); save the graph again"
        ) from error


def _prefixed(message: str, path: str | Path) -> str:
    return message if message.startswith(str(path)) else f"{path}: {message}"


def _constant_to_json(constant: Constant) -> dict[str, Any]:
    """Return what a constant's arrays do not say themselves."""
    if not isinstance(constant, Matrix):
        return {"format": "dense", "dtype": constant.dtype.name}
    return {
        "format": constant.format,
        "dtype": constant.dtype.name,
        "shape": constant.shape,
        "block": constant.block,
    }


def _node_to_json(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op.name,
        "inputs": node.inputs,
        "outputs": node.outputs,
        "attrs": {k: _attr_to_json(v) for k, v in node.attrs.items()},
    }


def _attr_to_json(value: Any) -> Any:
    """Return an attribute as JSON has it: a body by its inputs, nodes and outputs."""
    if not isinstance(value, Body):
        return value
    nodes = [_node_to_json(node) for node in value.nodes]
    return {"inputs": value.inputs, "nodes": nodes, "outputs": value.outputs}


def _ops_in(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the op of every node, those of bodies too."""
    for node in nodes:
        yield node["op"]
        for value in node.get("attrs", {}).values():
            if isinstance(value, dict):
                yield from _ops_in(value["nodes"])


def _graph_from_json(text: Mapping[str, Any], arrays: Mapping[str, Array]) -> Graph:
    unknown = sorted(set(_ops_in(text["nodes"])) - set(OPS))
    if unknown:
        raise UnsupportedOpError(
            f"unknown ops: {', '.join(map(str, unknown))}; known ops: {', '.join(sorted(OPS))}"
        )
    return Graph(
        name=str(text["name"]),
        inputs={n: _input_from_json(n, t) for n, t in text["inputs"].items()},
        constants={
            c["name"]: _constant_from_json(c, i, arrays) for i, c in enumerate(text["constants"])
        },
        nodes=tuple(_node_from_json(n) for n in text["nodes"]),
        outputs=dict(text["outputs"]),
        metadata={str(k): str(v) for k, v in text["metadata"].items()},
    )


def _input_from_json(name: str, text: Mapping[str, Any]) -> TensorType:
    given = text["shape"]
    if not isinstance(given, list) or not all(
        isinstance(d, str) or (type(d) is int and d >= 0) for d in given
    ):
        raise ModelFileError(f"input '{name}': its shape {given!r} is no list of sizes and names")
    shape: tuple[Dim, ...] = tuple(given)
    return TensorType(shape, as_dtype(text["dtype"], f"input '{name}'", plain=True))


def _node_from_json(text: Mapping[str, Any]) -> Node:
    op = OPS[text["op"]]
    attrs = op.complete({k: _hashable(v) for k, v in text["attrs"].items()})
    return Node(str(text["name"]), op, tuple(text["inputs"]), tuple(text["outputs"]), attrs)


def _hashable(value: Any) -> Any:
    """Return JSON's lists as tuples, as attributes are written in Python, and bodies as such."""
    if isinstance(value, dict):
        nodes = tuple(_node_from_json(node) for node in value["nodes"])
        return Body(tuple(value["inputs"]), nodes, tuple(value["outputs"]))
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _constant_from_json(text: Mapping[str, Any], i: int, arrays: Mapping[str, Array]) -> Constant:
    name, format = text["name"], text["format"]
    dtype = as_dtype(text["dtype"], f"constant '{name}'", plain=text["format"] == "dense")

    def part(role: str) -> Array:
        member = f"c{i}.{role}"
        if member not in arrays:
            raise ModelFileError(f"constant '{name}': member '{member}' is missing")
        array = arrays[member]
        # .npz has no name for bfloat16 and stores its bytes as a void type of the same width
        return array.view(dtype) if array.dtype.kind == "V" else array

    def values(role: str) -> Array:
        array = part(role)
        if array.dtype != dtype:
            raise ModelFileError(
                f"constant '{name}' should be {dtype}, but member 'c{i}.{role}' is {array.dtype}"
            )
        return array

    if format == "dense":
        return values("dense")
    if format not in FORMATS:
        raise ModelFileError(f"constant '{name}': unknown format '{format}'")
    roles = FORMATS[format].roles
    return FORMATS[format].from_arrays(
        {role: (values if roles[role] == "values" else part)(role) for role in roles},
        tuple(text["shape"]),
        None if text["block"] is None else tuple(text["block"]),
    )
