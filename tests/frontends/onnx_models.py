"""Small ONNX models that the tests of the frontend share, written as text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason='needs pip install "minisparse[onnx]"')

import onnx.parser
from onnx import helper, numpy_helper

HEADER = '<ir_version: 10, opset_import: ["" : {}]>'


def f32(values: Any) -> Any:
    """Return an array of float32."""
    return np.array(values, np.float32)


def i64(values: Any) -> Any:
    """Return an array of int64."""
    return np.array(values, np.int64)


def parsed(body: str, opset: int = 21) -> Any:
    """Return a model from its text; ``body`` is a graph in onnx's own notation."""
    return onnx.parser.parse_model(HEADER.format(opset) + body)


def with_weights(body: str, opset: int = 21, **weights: Any) -> Any:
    """Return a model with initializers of these names."""
    model = parsed(body, opset)
    for name, array in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return model


def sparse_tensor(dense: Any, name: str, linear: bool = False) -> Any:
    """Return an array as ``SparseTensorProto``, its indices in either form."""
    places: Any = np.argwhere(dense)
    if linear:
        places = np.ravel_multi_index(tuple(places.T), dense.shape)
    return helper.make_sparse_tensor(
        numpy_helper.from_array(dense[dense != 0], name),
        numpy_helper.from_array(places.astype(np.int64), f"{name}_indices"),
        list(dense.shape),
    )


def one_node(
    op: str, inputs: Sequence[tuple[str, Any]], outputs: int, opset: int, **attrs: Any
) -> Any:
    """Return a model of one node on graph inputs that look like the arrays given."""
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for n, x in inputs
        if n
    ]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, [n for n, _ in inputs], results, **attrs)
    graph = helper.make_graph(
        [node], op, values, [onnx.ValueInfoProto(name=name) for name in results]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


W = np.arange(6, dtype=np.float32).reshape(2, 3)


def linear() -> Any:
    return with_weights("g (float[N, 2] x) => (float[N, 3] y) { y = MatMul(x, w) }", w=W)


def raw(model: Any, size: int) -> Any:
    model.graph.initializer[0].raw_data = b"\0" * size
    return model


def external(model: Any, **entries: str) -> Any:
    """Let the first weight lie in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return model


def typed(model: Any, **fields: Any) -> Any:
    """Store the first weight in fields of its type."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    for name, values in fields.items():
        getattr(tensor, name).extend(values)
    return model


def sparse(values: Any, indices: Any, *shape: int) -> Any:
    model = parsed("g (float[N, 2] x) => (float[N, 3] y) { y = MatMul(x, w) }")
    tensor = onnx.SparseTensorProto(
        values=numpy_helper.from_array(np.asarray(values, np.float32), "w"),
        indices=numpy_helper.from_array(np.asarray(indices, np.int64)),
        dims=shape,
    )
    model.graph.sparse_initializer.append(tensor)
    return model
